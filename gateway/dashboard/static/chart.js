// Bars over time, stacked: drawn to the width there is, read by pointer, by arrow keys, as a table.

import { fill, h } from "./dom.js";

const HEIGHT = 240;
const LEFT_LEAST = 44;
// Of a figure at the axis.
const FIGURE_WIDTH = 7.2;
const BOTTOM = 24;
const TOP = 10;
export const COLOURS = 8;

/** Sorted by size, the small ones together as "Other": no more series than there are colours. */
export function largest(totals, most = COLOURS) {
  const names = [...totals.entries()].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  return { shown: names.slice(0, names.length > most ? most - 1 : most), rest: names.length > most ? names.slice(most - 1) : [] };
}

/**
 * `buckets`: [{label, long, values: {series: number}}]; `series`: [{id, name}], bottom first;
 * `write(number)`: as it is read.
 */
export function stacked({ buckets, series, write, title }) {
  const canvas = h("div", { class: "canvas" });
  const told = h("div", { class: "told", "aria-live": "polite" });
  const draw = () => canvas.clientWidth && fill(canvas, drawing({ buckets, series, write, title, width: canvas.clientWidth, told }));
  new ResizeObserver(draw).observe(canvas);
  tell(told, { buckets, series, write }, null);
  return h("div", { class: "chart" }, canvas, told);
}

const sum = (bucket, series) => series.reduce((all, each) => all + (bucket.values[each.id] ?? 0), 0);

function drawing({ buckets, series, write, title, width, told }) {
  const most = nice(Math.max(...buckets.map((bucket) => sum(bucket, series)), 0));
  const high = HEIGHT - TOP - BOTTOM;
  const marks = [0, 0.5, 1].map((part) => ({ at: most * part, text: most || !part ? mark(write(most * part)) : "" }));
  const left = Math.max(LEFT_LEAST, 14 + FIGURE_WIDTH * Math.max(...marks.map(({ text }) => text.length)));
  const step = (width - left) / buckets.length;
  const bar = Math.max(1, Math.min(step - Math.max(1, step * 0.22), 44));
  const y = (value) => TOP + high - (most ? (value / most) * high : 0);
  const columns = buckets.map((bucket, index) => {
    let below = 0;
    const x = left + index * step + (step - bar) / 2;
    return h("g", { class: "column", "data-index": index },
      h("rect", { class: "hit", x: left + index * step, y: 0, width: step, height: HEIGHT }),
      series.map((each, place) => {
        const value = bucket.values[each.id] ?? 0;
        if (!value) return null;
        const top = y(below + value);
        const rect = h("rect", { class: `s${place}`, x, y: top, width: bar, height: Math.max(0.5, y(below) - top) });
        below += value;
        return rect;
      }));
  });
  const node = h("svg", { class: "stacked", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", tabindex: "0", "aria-label": `${title}. Arrow keys read each bar; the table below has all figures.` },
    marks.map(({ at, text }) => h("g", { class: "grid" },
      h("line", { x1: left, x2: width, y1: y(at), y2: y(at) }),
      h("text", { x: left - 8, y: y(at) + 4, "text-anchor": "end" }, text))),
    columns,
    labels(buckets, { left, step, width }));
  return interactive(node, columns, { buckets, series, write, told });
}

/** A round figure needs no noughts behind its point. */
const mark = (text) => text.replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

function labels(buckets, { left, step, width }) {
  const each = Math.max(1, Math.ceil(62 / step));
  return buckets.map((bucket, index) => {
    const x = left + (index + 0.5) * step;
    return index % each || x > width - 18 ? null : h("text", { class: "tick", x, y: HEIGHT - 6, "text-anchor": "middle" }, bucket.label);
  });
}

function interactive(node, columns, facts) {
  let active = null;
  const show = (index) => {
    columns[active]?.classList.remove("active");
    active = index;
    columns[active]?.classList.add("active");
    tell(facts.told, facts, active);
  };
  node.addEventListener("pointermove", (event) => {
    const index = event.target.closest(".column")?.dataset.index;
    if (index !== undefined && Number(index) !== active) show(Number(index));
  });
  node.addEventListener("pointerleave", () => show(null));
  node.addEventListener("blur", () => show(null));
  node.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(Math.min(columns.length - 1, Math.max(0, (active ?? (moves[event.key] > 0 ? -1 : columns.length)) + moves[event.key])));
  });
  return node;
}

/** The legend: of the whole, or of the bar that is looked at. */
function tell(told, { buckets, series, write }, index) {
  const at = index === null ? null : buckets[index];
  const value = (id) => (at ? (at.values[id] ?? 0) : buckets.reduce((all, bucket) => all + (bucket.values[id] ?? 0), 0));
  fill(told,
    h("p", { class: "when" }, at ? at.long : "All of it", h("b", null, write(series.reduce((all, each) => all + value(each.id), 0)))),
    h("ul", { class: "legend" }, series.map((each, place) => h("li", null, h("i", { class: `s${place}` }), h("span", { title: each.name }, each.name), h("b", null, write(value(each.id)))))));
}

/** The next round number above. */
function nice(value) {
  if (value <= 0) return 0;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((each) => each * size >= value) * size;
}

/** A line as small as a word. */
export function spark(values, label) {
  const width = 120;
  const high = 28;
  const most = Math.max(...values, 0) || 1;
  const at = (value, index) => `${((index / Math.max(1, values.length - 1)) * width).toFixed(1)},${(high - 2 - (value / most) * (high - 4)).toFixed(1)}`;
  const line = values.map(at).join(" L");
  return h("svg", { class: "spark", viewBox: `0 0 ${width} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    h("path", { class: "area", d: `M0,${high} L${line} L${width},${high} Z` }),
    h("path", { class: "line", d: `M${line}` }));
}
