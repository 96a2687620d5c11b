// The account's statement: each movement of its credit, with the balance before and after.

import { address, get } from "./api.js";
import { h } from "./dom.js";
import { column, exact } from "./format.js";
import { asOf, choice, head, when } from "./parts.js";
import { to, whose } from "./router.js";
import { exporting, listed, table } from "./table.js";
import { DAY_S, today } from "./usage.js";

export const statement = { path: "/statement", title: "Statement", show };

const PAGE = 50;
const KINDS = [["", "All"], ["credit", "Credit"], ["calls", "Calls"]];
const TYPES = { credit: "funded,grant_expired,rolled_over,debt_paid,voided,corrected", calls: "settled,expired,late" };
const NAMES = {
  funded: "Credit came in",
  settled: "Call",
  expired: "Call, its process died",
  late: "Call, settled late",
  grant_expired: "Credit lapsed",
  rolled_over: "Credit rolled over",
  debt_paid: "Debt paid",
  voided: "Credit taken back",
  corrected: "Correction",
};

async function show({ parameters, query, router, signal }) {
  const { base, asked: of } = whose(parameters);
  const kind = query.get("kind") ?? "";
  const cursor = query.get("cursor") ?? "";
  const page = await get("/ledger", { ...of, type: TYPES[kind], cursor, limit: PAGE }, { signal });
  const month = { start_time: today() - 30 * DAY_S, end_time: today() + DAY_S };
  return [
    head("Statement", {
      lead: [base && h("a", { href: to(base) }, parameters.account), base && ": ", "Each movement of the account's credit, newest first."],
      tools: choice(router, "kind", "Movements", KINDS, kind),
    }),
    h("section", { class: "card" },
      table({
        name: "statement",
        caption: "Movements of credit, newest first",
        rows: page.data,
        columns: columns(base),
        exported: [
          exporting("statement", columns(base), listed("/ledger", { ...of, type: TYPES[kind], limit: 1000 })),
          h("a", { class: "button", download: "focus.csv", href: address("/costs/focus", { ...of, ...month }) }, "Export FOCUS, 30 days"),
          h("span", null, "FOCUS: the FinOps columns, a line for each hour, key, model and class"),
        ],
      }),
      h("p", { class: "pages" }, asOf(null),
        cursor && h("a", { href: to(`${base}/statement`, { kind }) }, "Newest"),
        page.next_cursor && h("a", { rel: "next", href: to(`${base}/statement`, { kind, cursor: page.next_cursor }) }, "Older"))),
  ];
}

/** What it did to the balance, in microcredits: the balance's own difference. */
const effect = (row) => row.balance_after.microcredits - row.balance_before.microcredits;
const isCall = (row) => ["settled", "expired", "late"].includes(row.type);

const columns = (base) => [
  { head: "Time, UTC", cell: (row) => when(row.time), value: (row) => row.time },
  { head: "What", wrap: true, cell: (row) => NAMES[row.type] ?? row.type, value: (row) => row.type },
  {
    head: "Of",
    hide: true,
    cell: (row) => (isCall(row) ? h("a", { class: "code", href: to(`${base}/requests/${encodeURIComponent(row.operation_id)}`) }, row.operation_id) : h("span", { class: "code" }, row.operation_id)),
    value: (row) => row.operation_id,
  },
  { head: "Credits", num: true, cell: (row) => signed(effect(row)), value: (row) => (effect(row) / 1e6).toFixed(6) },
  { head: "Before", num: true, hide: true, cell: (row) => column(row.balance_before.microcredits), value: (row) => row.balance_before.credits },
  { head: "After", num: true, cell: (row) => column(row.balance_after.microcredits), value: (row) => row.balance_after.credits },
];

const signed = (ucr) => h("span", { class: ucr > 0 ? "plus" : null, title: exact(ucr) }, `${ucr > 0 ? "+" : ucr < 0 ? "−" : ""}${column(Math.abs(ucr))}`);
