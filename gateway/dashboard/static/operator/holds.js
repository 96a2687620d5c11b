// What is set aside for running calls.

import { get } from "../api.js";
import { h } from "../dom.js";
import { DASH, whole } from "../format.js";
import { asOf, chip, figure, head, when } from "../parts.js";
import { leaseEnd } from "../running.js";
import { table } from "../table.js";
import { accountLink, amountColumn } from "./common.js";

export const holds = { path: "/holds", title: "Holds", show };

async function show({ router, signal }) {
  const found = await get("/holds", { limit: 500 }, { signal });
  return [
    head("Holds", {
      lead: "Credit that is set aside for running calls, jobs and reservations, and in advance, to serve calls by while the store does not answer. Without a sign of life until its lease ends, a hold is resolved by itself.",
      tools: h("button", { type: "button", id: "again", onclick: () => router.show() }, "Look again"),
    }),
    h("section", { class: "card" }, h("dl", { class: "figures" },
      figure("Open", whole(found.open), h("small", null, asOf(found.as_of))),
      figure("Overdue", found.overdue ? chip(whole(found.overdue), "bad") : "0", h("small", null, "the lease has ended, nobody resolved them yet")))),
    h("section", { class: "card" },
      table({ name: "holds", caption: "Open holds, those whose lease ends first", rows: found.data, shown: 200, empty: "Nothing is held now.", columns: [
        { head: "Request", wrap: true, cell: (row) => h("span", { class: "code" }, row.id) },
        { head: "Kind", hide: true, cell: (row) => row.kind },
        { head: "Model", hide: true, cell: (row) => row.model ?? DASH, value: (row) => row.model },
        { head: "Account", cell: (row) => accountLink(row.account_id), value: (row) => row.account_id },
        amountColumn("Held", (row) => row.held),
        amountColumn("Booked so far", (row) => row.booked, { hide: true }),
        { head: "Since, UTC", hide: true, cell: (row) => when(row.started_at), value: (row) => row.started_at },
        { head: "Lease ends", cell: (row) => leaseEnd(row.lease_ends_at, found.as_of), value: (row) => row.lease_ends_at },
      ] }),
      found.open > found.data.length && h("p", { class: "note" }, `The first ${whole(found.data.length)} of ${whole(found.open)}.`)),
  ];
}
