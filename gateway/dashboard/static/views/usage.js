// Use over time: stacked by model, key or class, in credits, tokens or requests, by hour or day.

import { get } from "../api.js";
import { largest, stacked } from "../chart.js";
import { h } from "../dom.js";
import { className, clock, credits, DASH, day, dayShort, exact, short, whole } from "../format.js";
import { asOf, choice, head, selection } from "../parts.js";
import { reason } from "../refused.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { buckets, period, PERIODS } from "../usage.js";

export const usage = { path: "/usage", title: "Usage", show };

const MEASURES = [["credits", "Credits"], ["tokens", "Tokens"], ["requests", "Requests"], ["refused", "Refused, failed"]];
const GROUPS = [["model", "Model"], ["key", "Key"], ["class", "Class"]];
const TURNED_GROUPS = [["reason", "Reason"], ["model", "Model"], ["key", "Key"]];
const WIDTHS = [["", "By day"], ["1h", "By hour"]];
const WRITE = { credits, tokens: short, requests: whole, refused: whole };
const HOURLY_DAYS_MAX = 7;

async function show({ query, router, signal }) {
  const days = Number(query.get("days") ?? 30);
  const asked = {
    days,
    measure: query.get("measure") ?? "credits",
    by: query.get("by") ?? (query.get("measure") === "refused" ? "reason" : "model"),
    width: days === 1 || (query.get("width") === "1h" && days <= HOURLY_DAYS_MAX) ? "1h" : "1d",
    model: query.get("model") ?? "",
    key: query.get("key") ?? "",
  };
  const turned = asked.measure === "refused";
  const groups = turned ? TURNED_GROUPS : GROUPS;
  if (!groups.some(([name]) => name === asked.by)) [[asked.by]] = groups;
  const span = period(days);
  const filters = { models: asked.model, api_key_ids: asked.key };
  const [found, keys, models] = await Promise.all([
    turned ? counting(asked, { ...span, ...filters }, signal) : asking(asked, { ...span, ...filters }, signal),
    get("/keys", {}, { signal }),
    buckets("/usage", { ...period(90), width: "1d", group_by: "model" }, { signal }),
  ]);
  const names = new Map(keys.data.map((key) => [key.id, key.name || `tk_${key.id}`]));
  const known = [...new Set(models.flatMap((bucket) => bucket.results.map((each) => each.model)))].sort();
  return [
    head("Usage", { lead: "What was used, in whole UTC days or hours." }),
    h("div", { class: "tools" },
      choice(router, "days", "Period", PERIODS, String(days)),
      choice(router, "measure", "Measure", MEASURES, asked.measure),
      choice(router, "by", "Stacked by", groups, asked.by),
      days > 1 && days <= HOURLY_DAYS_MAX && choice(router, "width", "Bars", WIDTHS, asked.width === "1h" ? "1h" : ""),
      selection(router, "model", "Model", [["", "All"], ...known.map((name) => [name, name])], asked.model),
      names.size > 1 && selection(router, "key", "Key", [["", "All"], ...names], asked.key)),
    drawn(asked, found, names),
  ];
}

/** Buckets of {id: calls}; without values where it is not known. */
async function counting({ width, by }, span, signal) {
  const group = { reason: "", model: "model", key: "api_key_id" }[by];
  const found = await buckets("/refusals", { ...span, width, group_by: group }, { signal });
  return found.map(({ start_time, results }) => ({ at: start_time * 1000, values: results && added(results, group || "reason") }));
}

function added(results, name) {
  const sums = {};
  for (const each of results) sums[each[name]] = (sums[each[name]] ?? 0) + each.num_calls;
  return sums;
}

/** Buckets of {id: amount}, by what is asked for. */
async function asking({ measure, by, width }, { start, end, ...filters }, signal) {
  const costs = measure === "credits" && by === "class";
  const group = { model: "model", key: "api_key_id", class: costs ? "line_item" : "class" }[by];
  const unsplit = measure === "requests" && by === "class";
  const found = await buckets(costs ? "/costs" : "/usage", { start, end, width, group_by: unsplit ? "" : group, ...filters }, { signal });
  return found.map((bucket) => {
    const values = {};
    for (const each of bucket.results) {
      const id = unsplit ? "request" : (by === "class" ? (each.line_item ?? each.token_class) : by === "key" ? each.api_key_id : each.model) ?? "";
      values[id] = (values[id] ?? 0) + amount(each, measure, costs);
    }
    return { at: bucket.start_time * 1000, values };
  });
}

function amount(each, measure, costs) {
  if (costs) return each.amount.microcredits;
  if (measure === "credits") return each.charged.microcredits;
  return measure === "tokens" ? each.input_tokens + each.output_tokens : each.num_model_requests ?? 0;
}

function drawn(asked, all, names) {
  const found = all.filter(({ values }) => values);
  const unknown = found.length < all.length && h("p", { class: "note" }, found.length ? `Not counted before ${day(found[0].at)}.` : "Not counted in this time.");
  const sums = new Map();
  for (const bucket of found) for (const [id, value] of Object.entries(bucket.values)) sums.set(id, (sums.get(id) ?? 0) + value);
  const turned = asked.measure === "refused";
  const title = `${turned ? "Refused and failed," : MEASURES.find(([value]) => value === asked.measure)[1]} by ${asked.by}`;
  const asOfNow = asOf(null);
  if (![...sums.values()].some(Boolean)) return h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, title), asOfNow), found.length > 0 && h("p", { class: "empty" }, turned ? "Nothing was refused, and nothing failed." : "Nothing was used in this time."), unknown);
  const { shown, rest } = largest(sums);
  const name = (id) => (asked.by === "reason" ? reason(id) : asked.by === "class" ? className(id) : asked.by === "key" ? (names.get(id) ?? (id ? `tk_${id}` : DASH)) : id || DASH);
  const series = [...shown.map((id) => ({ id, name: name(id) })), ...(rest.length ? [{ id: "\0rest", name: "Other" }] : [])];
  const hourly = asked.width === "1h";
  const rows = found.map(({ at, values }) => ({
    at,
    label: hourly && asked.days === 1 ? clock(at).slice(0, 5) : dayShort(at),
    long: hourly ? `${day(at)} ${clock(at).slice(0, 5)}` : day(at),
    values: rest.length ? { ...values, "\0rest": rest.reduce((sum, id) => sum + (values[id] ?? 0), 0) } : values,
  }));
  return [
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, title), asOfNow),
      stacked({ buckets: rows, series, write: WRITE[asked.measure], title }), unknown),
    h("details", { class: "card", open: false }, h("summary", null, "The same as a table"), asTable(asked, rows, series, title)),
  ];
}

function asTable(asked, rows, series, title) {
  const write = asked.measure === "credits" ? exact : whole;
  const scale = asked.measure === "credits" ? 1e6 : 1;
  const total = (row) => series.reduce((sum, each) => sum + (row.values[each.id] ?? 0), 0);
  return table({
    name: `usage-${asked.measure}-by-${asked.by}`,
    caption: title,
    rows: rows.filter(total).reverse(),
    columns: [
      { head: "UTC", cell: (row) => (asked.measure === "refused" ? row.long : h("a", { href: to("/requests", { from: day(row.at), to: day(row.at), model: asked.model, key: asked.key }) }, row.long)), value: (row) => new Date(row.at).toISOString() },
      ...series.map((each) => ({ head: each.name, num: true, cell: (row) => write(row.values[each.id] ?? 0), value: (row) => (row.values[each.id] ?? 0) / scale })),
      { head: "All", num: true, cell: (row) => h("b", null, write(total(row))), value: (row) => total(row) / scale },
    ],
  });
}
