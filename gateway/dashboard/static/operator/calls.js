// The calls behind the sums, of all accounts: whose they were, whose count was charged, what is left.

import { get } from "../api.js";
import { h } from "../dom.js";
import { DASH, moment, whole } from "../format.js";
import { asOf, choice, head, selection, when } from "../parts.js";
import { counted, end } from "../requests.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";
import { accountLink, amountColumn } from "./common.js";

export const calls = { path: "/calls", title: "Calls", show };

const PERIODS = [["24", "24 hours"], ["168", "7 days"], ["720", "30 days"]];
const COUNTED = [["", "All"], ["reported", "Provider"], ["counted", "Gateway"], ["held", "Hold"], ["counted,held", "Not the provider"]];
const FILTERS = ["provider", "model", "counted", "account"];

/** The calls that a sum is made of; `since`: from when on, where that is not so many hours ago. */
export const callsOf = (found) => to("/calls", found);

async function show({ query, router, signal }) {
  const hours = query.get("hours") ?? "24";
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const cursor = query.get("cursor") ?? "";
  const since = query.get("since");
  const wanted = { hours, start_time: since ? Math.floor(Date.parse(since) / 1000) : "", providers: asked.provider, models: asked.model, provenances: asked.counted, account_ids: asked.account };
  const [page, sums] = await Promise.all([
    get("/calls", { ...wanted, cursor }, { signal }),
    get("/accuracy", { hours: 720 }, { signal }),
  ]);
  const known = (name) => [["", "All"], ...[...new Set([asked[name], ...sums.data.map((row) => row[name])])].filter(Boolean).sort().map((value) => [value, value])];
  const kept = { hours: query.get("hours"), since, ...asked };
  return [
    head("Calls", {
      lead: "What was charged, of all accounts. Each leads to its receipt.",
      tools: [
        choice(router, "hours", "Period", PERIODS, hours),
        selection(router, "provider", "Provider", known("provider"), asked.provider),
        selection(router, "model", "Model", known("model"), asked.model),
        selection(router, "counted", "Counted by", COUNTED, asked.counted),
      ],
    }),
    h("section", { class: "card" },
      table({ name: "calls", caption: "Charged calls of all accounts, newest first", rows: page.data, every: (cursor || page.next_cursor) && listed("/calls", { ...wanted, limit: 500 }), empty: page.next_cursor ? "None among the newest that were looked through." : "No call was charged like that.", columns: [
        { head: "Time, UTC", cell: (row) => h("a", { href: to(`/accounts/${encodeURIComponent(row.account_id)}/requests/${encodeURIComponent(row.request_id)}`) }, when(row.time)), value: (row) => row.time },
        { head: "Account", hide: true, cell: (row) => accountLink(row.account_id), value: (row) => row.account_id },
        { head: "Model", wrap: true, cell: (row) => [row.model || DASH, h("small", { class: "block" }, row.provider), h("small", { class: "block narrow-only" }, accountLink(row.account_id))], value: (row) => row.model },
        { head: "Provider", value: (row) => row.provider },
        { head: "In", num: true, hide: true, cell: (row) => whole(row.input_tokens), value: (row) => row.input_tokens },
        { head: "Out", num: true, hide: true, cell: (row) => whole(row.output_tokens), value: (row) => row.output_tokens },
        amountColumn("Charged", (row) => row.charged, { places: 4 }),
        amountColumn("Cost", (row) => row.cost, { hide: true, places: 4 }),
        amountColumn("Margin", (row) => row.margin, { places: 4 }),
        { head: "Counted by", hide: true, cell: (row) => counted(row.provenance), value: (row) => row.provenance },
        { head: "End", hide: true, cell: (row) => end(row.end), value: (row) => row.end },
      ] }),
      h("p", { class: "pages" }, since && h("span", null, `Since ${moment(since)} UTC`), asOf(null),
        cursor && h("a", { href: to("/calls", kept) }, "Newest"),
        page.next_cursor && h("a", { rel: "next", href: to("/calls", { ...kept, cursor: page.next_cursor }) }, "Older"))),
  ];
}
