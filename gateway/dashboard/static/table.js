// Tables: figures to the right and aligned, a caption for those who hear them, each to be exported.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { DASH, whole } from "./format.js";

// Of one file, and how many times is asked for it.
const FILED = 10_000;
const PAGES = 200;

// `columns`: {head, cell(row), value(row)?, num?, hide?}; `value` is what a file gets in place of
// the cell's text, and one without a cell stands in the file only. `name`: of the file. `empty`: what is said when there are no rows.
// `shown`: rows beyond so many stand in the file only. `every`: where `rows` are a part, what gives
// them all, as `listed` does.
export function table({ columns: filed, rows, caption, name, empty = "Nothing yet.", exported = null, shown = Infinity, every = null }) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const columns = filed.filter((column) => column.cell);
  // What is last on a narrow screen ends at its edge there as well.
  const last = columns.findLast((column) => !column.hide);
  const classes = (column) => [column.num && "num", column.hide && "wide-only", column.wrap && "wrap", column === last && "last"].filter(Boolean).join(" ") || null;
  return h("div", { class: "table" },
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h("table", null,
        h("caption", { class: "hidden" }, caption),
        h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col", class: classes(column) }, column.head)))),
        h("tbody", null, rows.slice(0, shown).map((row) => h("tr", { class: row.class },
          columns.map((column, index) => {
            const content = column.cell(row) ?? DASH;
            return h(index ? "td" : "th", { scope: index ? null : "row", class: classes(column) }, content);
          })))))),
    h("p", { class: "under" }, exported ?? exporting(name, filed, every ?? (() => ({ rows })), every && `the whole list, ${whole(FILED)} rows at most`), rows.length > shown && h("span", null, `The first ${shown} of ${rows.length}; the file has all.`)));
}

/** A button that makes a file of what `every` gives; `what` is said of it. */
export function exporting(name, columns, every, what = null) {
  const said = h("span", { role: "status" }, what);
  const button = h("button", { class: "quiet", type: "button", onclick: () => save(), "aria-label": `Export as CSV: ${name}` }, "Export CSV");
  // A button that is switched off would lose the focus.
  let busy = false;
  const save = async () => {
    if (busy) return;
    busy = true;
    try {
      const { rows, more } = await every();
      download(`${name}.csv`, csv(columns.map((column) => column.head), rows.map((row) => columns.map((column) => plain(column, row)))));
      fill(said, more ? `The file was cut: it has the first ${whole(rows.length)} rows, and there are more.` : what);
    } catch (problem) {
      fill(said, problem.message);
    }
    busy = false;
  };
  return [button, said];
}

/** All rows of a list that comes in pieces, as far as a file goes, and whether there are more. */
export const listed = (path, asked) => async () => {
  const rows = [];
  let cursor = "";
  for (let asking = 0; asking < PAGES && cursor !== null && rows.length < FILED; asking++) {
    const page = await get(path, { ...asked, cursor });
    rows.push(...page.data);
    cursor = page.next_cursor;
  }
  return { rows: rows.slice(0, FILED), more: cursor !== null || rows.length > FILED };
};

function plain(column, row) {
  if (column.value) return column.value(row);
  const content = column.cell(row);
  return content instanceof Node ? content.textContent : content;
}

// A table as a file. What a spreadsheet would take for a formula is marked as the text it is.

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^-?[0-9]+(\.[0-9]+)?$/;

export function cell(value) {
  if (value === null || value === undefined) return "";
  let text = String(value);
  if (FORMULA.test(text) && !NUMBER.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csv = (heads, rows) => [heads, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

/** Hand a file to whoever looks at the page. */
function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
