// Each call by itself, newest first; each leads to its receipt.

import { address, get, now } from "./api.js";
import { h } from "./dom.js";
import { column, DASH, day, duration, whole } from "./format.js";
import { asOf, chip, head, selection, when } from "./parts.js";
import { to, whose } from "./router.js";
import { table } from "./table.js";
import { buckets, DAY_S, period, results, today } from "./usage.js";

export const requests = { path: "/requests", title: "Requests", show };

const PAGE = 50;
const EXPORT = 10_000;

async function show({ parameters, query, router, signal }) {
  const { base, asked: of } = whose(parameters);
  const from = query.get("from") ?? day((today() - 29 * DAY_S) * 1000);
  const until = query.get("to") ?? day(now());
  const span = { start_time: seconds(from), end_time: seconds(until) + DAY_S };
  const cursor = query.get("cursor") ?? "";
  const model = query.get("model") ?? "";
  const key = query.get("key") ?? "";
  const asked = { ...of, ...span, models: model, api_key_ids: key };
  const [page, keys, used] = await Promise.all([
    get("/usage/records", { ...asked, cursor, limit: PAGE }, { signal }),
    get("/keys", of, { signal }),
    buckets("/usage", { ...period(90), width: "1d", group_by: "model", ...of }, { signal }),
  ]);
  const names = new Map(keys.data.map((each) => [each.id, each.name]));
  const models = [...new Set(results(used).map((each) => each.model))].sort();
  const kept = { from: query.get("from"), to: query.get("to"), model, key };
  return [
    head("Requests", {
      lead: [base && h("a", { href: to(base) }, parameters.account), base && ": ", "What was charged, call by call. Each leads to its receipt."],
      tools: [
        date(router, "from", "From", from), date(router, "to", "To", until),
        selection(router, "model", "Model", [["", "All"], ...models.map((name) => [name, name])], model),
        names.size > 1 && selection(router, "key", "Key", [["", "All"], ...[...names].map(([id, name]) => [id, name || `tk_${id}`])], key),
      ],
    }),
    h("section", { class: "card" },
      table({
        name: "requests",
        caption: "Charged calls, newest first",
        empty: "No call was charged in this time.",
        rows: page.data,
        columns: columns(base, names),
        exported: [
          h("a", { class: "button", download: "requests.csv", href: address("/usage/records", { ...asked, format: "csv", limit: EXPORT }) }, "Export CSV"),
          h("a", { class: "button", download: "requests.ndjson", href: address("/usage/records", { ...asked, format: "ndjson", limit: EXPORT }) }, "Export JSON lines"),
          h("span", null, `the newest ${whole(EXPORT)} of this time`),
        ],
      }),
      h("p", { class: "pages" }, asOf(null),
        cursor && h("a", { href: to(`${base}/requests`, kept) }, "Newest"),
        page.next_cursor && h("a", { rel: "next", href: to(`${base}/requests`, { ...kept, cursor: page.next_cursor }) }, "Older"))),
  ];
}

const seconds = (text) => Math.floor(Date.parse(`${text}T00:00:00Z`) / 1000) || 0;

const date = (router, name, label, value) =>
  h("label", { class: "select" }, h("span", null, `${label}, UTC`),
    h("input", { type: "date", id: `${name}-date`, value, onchange: (event) => router.filter({ [name]: event.target.value, cursor: null }) }));

const ENDS = { completed: ["completed", ""], client_left: ["client left", "warn"], upstream_failed: ["provider failed", "bad"], cut_by_quota: ["cut: no credit", "warn"], cut_by_shutdown: ["cut: shutdown", "warn"], hold_expired: ["hold expired", "bad"], cancelled: ["cancelled", ""] };
const COUNTED = { reported: "provider", counted: "gateway", held: "hold" };

export const end = (name) => (name === "completed" ? "completed" : chip(...(ENDS[name] ?? [name, ""])));
export const counted = (name) => COUNTED[name] ?? name;

function columns(base, names) {
  return [
    { head: "Time, UTC", cell: (row) => h("a", { href: to(`${base}/requests/${encodeURIComponent(row.request_id)}`) }, when(row.time)), value: (row) => row.time },
    { head: "Model", wrap: true, cell: (row) => row.model || DASH },
    { head: "Key", hide: true, wrap: true, cell: (row) => names.get(row.api_key_id) || (row.api_key_id ? `tk_${row.api_key_id}` : DASH) },
    { head: "In", num: true, hide: true, cell: (row) => whole(row.input_tokens) },
    { head: "Out", num: true, hide: true, cell: (row) => whole(row.output_tokens) },
    { head: "Credits", num: true, cell: (row) => column(row.charge_microcredits) },
    { head: "Took", num: true, hide: true, cell: (row) => duration(row.duration_ms) },
    { head: "End", hide: true, cell: (row) => end(row.end) },
    { head: "Counted by", hide: true, cell: (row) => counted(row.provenance) },
  ];
}
