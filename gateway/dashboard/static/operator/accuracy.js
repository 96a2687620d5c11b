// Whose count was charged: how much of the money rests on the gateway's own.

import { get } from "../api.js";
import { h } from "../dom.js";
import { credits, DASH, moment, percent, whole } from "../format.js";
import { asOf, choice, figure, head } from "../parts.js";
import { table } from "../table.js";
import { callsOf } from "./calls.js";
import { amountColumn, ucr } from "./common.js";

export const accuracy = { path: "/accuracy", title: "Count accuracy", show };

const PERIODS = [["24", "24 hours"], ["168", "7 days"], ["720", "30 days"]];

async function show({ query, router, signal }) {
  const hours = query.get("hours") ?? "24";
  const [found, state] = await Promise.all([get("/accuracy", { hours }, { signal }), get("/health", {}, { signal })]);
  const all = (of) => found.data.reduce((sum, row) => sum + of(row), 0);
  const calls = all((row) => row.calls);
  const charged = all((row) => ucr(row.charged));
  const link = (text, more) => h("a", { href: callsOf({ hours, since: found.since, ...more }) }, text);
  const rows = (name, of, counted, hide = false) => ({ head: name, num: true, hide, cell: (row) => link(whole(of(row)), { provider: row.provider, model: row.model, counted }), value: of });
  return [
    head("Count accuracy", { lead: "Where a provider reports, its figure is charged and nothing is counted beside it. What came without a report, the gateway counted itself.", tools: choice(router, "hours", "Period", PERIODS, hours) }),
    h("section", { class: "card", "aria-label": "All models" }, h("dl", { class: "figures" },
      figure("Reported by providers", link(percent(all((row) => row.reported), calls), { counted: "reported" }), h("small", null, calls === 1 ? "of 1 call" : `of ${whole(calls)} calls`)),
      figure("Counted by the gateway", link(percent(all((row) => row.counted), calls), { counted: "counted" }), h("small", null, `${whole(all((row) => row.counted))} calls`)),
      figure("Charged as held", link(whole(all((row) => row.held)), { counted: "held" }), h("small", null, "neither was known: each is an incident")),
      figure("Charged without a report", charged ? link(percent(all((row) => ucr(row.unreported)), charged), { counted: "counted,held" }) : DASH, h("small", null, `${credits(all((row) => ucr(row.unreported)))} credits`)),
      figure("Charged beyond holds", credits(all((row) => ucr(row.beyond_holds))), h("small", null, "more than was set aside")),
      figure("Reports not believed", whole(state.disbelieved), h("small", null, "since the start")))),
    h("section", { class: "card" },
      table({ name: "count-accuracy", caption: "Whose count was charged, by model", rows: found.data, empty: "No call was charged in this time.", columns: [
        { head: "Model", wrap: true, cell: (row) => h("span", null, row.model || DASH, h("small", { class: "block" }, row.provider)), value: (row) => `${row.provider} ${row.model}` },
        rows("Calls", (row) => row.calls),
        { head: "Reported", num: true, cell: (row) => percent(row.reported, row.calls), value: (row) => row.reported },
        rows("Counted", (row) => row.counted, "counted", true),
        rows("As held", (row) => row.held, "held", true),
        number("Broken off", (row) => row.broken, true),
        number("Late", (row) => row.late, true),
        number("Expired", (row) => row.expired, true),
        amountColumn("Charged", (row) => row.charged, { hide: true }),
        amountColumn("Unreported", (row) => row.unreported),
      ] }),
      h("p", { class: "note" }, `Of all calls since ${moment(found.since)} UTC. `, asOf(found.as_of))),
  ];
}

const number = (name, of, hide = false) => ({ head: name, num: true, hide, cell: (row) => whole(of(row)), value: of });
