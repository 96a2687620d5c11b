// Model by model: what was used of each class, what it cost, what caching saved.

import { get } from "../api.js";
import { h } from "../dom.js";
import { column, credits, DASH, day, dollars, percent, short, whole } from "../format.js";
import { asOf, choice, figure, head } from "../parts.js";
import { refused } from "../refused.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { buckets, period, PERIODS, results, total } from "../usage.js";

export const models = { path: "/models", title: "Models", show };

async function show({ query, router, signal }) {
  const days = Number(query.get("days") ?? 30);
  const [found, turned, pricing] = await Promise.all([
    buckets("/usage", { ...period(days), width: "1d", group_by: "model" }, { signal }),
    buckets("/refusals", { ...period(days), width: "1d", group_by: "model" }, { signal }),
    get("/pricing", {}, { signal }),
  ]);
  const rates = new Map(pricing.models.map((model) => [model.model, model.rates[0]?.credits_per_million_tokens ?? {}]));
  const sums = new Map();
  for (const each of results(found)) sums.set(each.model, [...(sums.get(each.model) ?? []), each]);
  const rows = [...sums].map(([model, each]) => ({ model, ...total(each) })).sort((a, b) => b.charged - a.charged);
  for (const row of rows) {
    row.saved = saved(row.tokens, rates.get(row.model));
    row.refused = refused(turned, (each) => each.model === row.model);
  }
  const all = sum(rows, "charged");
  const usd = Number(pricing.usd_per_credit);
  return [
    head("Models", { lead: "What each model was used for and what it cost.", tools: choice(router, "days", "Period", PERIODS, String(days)) }),
    h("section", { class: "card" }, h("dl", { class: "figures" },
      figure("Charged", h("a", { href: to("/usage", { days }) }, credits(all)), h("small", null, dollars(all, usd))),
      figure("Saved by caching", known(rows) ? credits(sum(rows, "saved")) : DASH, h("small", null, "at today's rates")),
      figure("Read from caches", h("a", { href: to("/usage", { days, measure: "tokens", by: "class" }) }, percent(sum(rows, "cached"), sum(rows, "input"))), h("small", null, "of all input")),
      figure("Requests", h("a", { href: to("/requests", since(days)) }, whole(sum(rows, "requests"))), h("small", null, asOf(null))))),
    h("section", { class: "card" }, table({
      name: `models-${days}-days`,
      caption: `Use by model over ${days} days`,
      empty: "Nothing was used in this time.",
      rows,
      columns: columns(usd, all, days),
    }), h("p", { class: "note" }, "Saved: what cached input would have cost as ordinary input, less what writing to the cache cost above it. Refused, and failed: calls that asked for a model by this name; ", h("a", { href: to("/usage", { measure: "refused", by: "model", days }) }, "all names"), ".")),
  ];
}

/** Requests show 30 days by themselves. */
const since = (days) => ({ from: day(period(days).start * 1000) });
const known = (rows) => rows.some((row) => row.saved !== null);
const sum = (rows, name) => rows.reduce((all, row) => all + (row[name] ?? 0), 0);

/** In microcredits, as the rate card has it now; null where a rate is not known. */
function saved(tokens, rates) {
  const rate = (name) => (rates?.[name] === undefined ? null : Number(rates[name]) * 1e6);
  const plain = rate("input_uncached");
  if (plain === null) return null;
  let all = 0;
  for (const name of ["input_cache_read", "input_cache_write_5m", "input_cache_write_1h"]) {
    if (!tokens[name]) continue;
    const its = rate(name) ?? plain;
    all += (tokens[name] * (plain - its)) / 1e6;
  }
  return Math.round(all);
}

function columns(usd, all, days) {
  const tokens = (head, count, hide = true) => ({ head, num: true, hide, cell: (row) => short(count(row)), value: count });
  return [
    { head: "Model", wrap: true, cell: (row) => h("a", { href: to("/usage", { model: row.model, days }) }, row.model || DASH), value: (row) => row.model },
    { head: "Requests", num: true, cell: (row) => h("a", { href: to("/requests", { model: row.model, ...since(days) }) }, whole(row.requests)), value: (row) => row.requests },
    { head: "Refused", num: true, hide: true, cell: (row) => h("a", { href: to("/usage", { measure: "refused", model: row.model, days }) }, whole(row.refused)), value: (row) => row.refused ?? "" },
    tokens("Input", (row) => row.tokens.input_uncached ?? 0),
    tokens("Cached", (row) => row.tokens.input_cache_read ?? 0),
    tokens("Cache write", (row) => (row.tokens.input_cache_write_5m ?? 0) + (row.tokens.input_cache_write_1h ?? 0)),
    tokens("Output", (row) => row.tokens.output_text ?? 0),
    tokens("Reasoning", (row) => row.tokens.output_reasoning ?? 0),
    { head: "Credits", num: true, cell: (row) => h("a", { href: to("/usage", { model: row.model, days }) }, column(row.charged, 2)), value: (row) => row.charged / 1e6 },
    { head: "USD", num: true, hide: true, cell: (row) => dollars(row.charged, usd), value: (row) => (row.charged / 1e6) * usd },
    { head: "Share", num: true, hide: true, cell: (row) => percent(row.charged, all), value: (row) => (all ? row.charged / all : "") },
    { head: "Saved", num: true, cell: (row) => column(row.saved, 2), value: (row) => (row.saved === null ? "" : row.saved / 1e6) },
  ];
}
