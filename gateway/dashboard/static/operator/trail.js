// Who changed what, when, from where, and what came of it; keys, and who signed in or failed to.

import { get } from "../api.js";
import { h } from "../dom.js";
import { whole } from "../format.js";
import { asOf, chip, figure, head, selection } from "../parts.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";
import { actions, changesTable, everyChange } from "./common.js";

export const trail = { path: "/audit", title: "Audit trail", show };

async function show({ query, router, signal }) {
  const account = query.get("account") ?? "";
  const action = query.get("action") ?? "";
  const page = await get("/audit", { account_id: account, action, cursor: query.get("cursor"), limit: 100 }, { signal });
  return [
    head("Audit trail", {
      lead: "Whatever a service, an operator or a command changes, or tries to. Reservations and usage stand in the journal.",
      tools: [
        h("label", { class: "select" }, h("span", null, "Account"),
          h("input", { type: "search", id: "account", value: account, placeholder: "all", maxlength: "64", onchange: (event) => router.filter({ account: event.target.value.trim(), cursor: null }) })),
        selection(router, "action", "What", [["", "All"], ...actions], action),
      ],
    }),
    h("section", { class: "card" },
      changesTable({ name: "audit-trail", caption: "Changes, newest first", rows: page.data, empty: "Nothing like that was changed.", every: (query.get("cursor") || page.next_cursor) && listed("/audit", { account_id: account, action, limit: 1000 }) }),
      h("p", { class: "pages" }, asOf(null),
        query.get("cursor") && h("a", { href: to("/audit", { account, action }) }, "Newest"),
        page.next_cursor && h("a", { rel: "next", href: to("/audit", { account, action, cursor: page.next_cursor }) }, "Older"))),
  ];
}

export const keys = { path: "/keys", title: "Keys and sign-ins", show: keyring };

const OF_KEYS = ["createKey", "changeKey", "rotateKey", "revokeKey"];
const SHOWN = 50;

async function keyring({ signal }) {
  const [health, signed, ...found] = await Promise.all([
    get("/health", {}, { signal }),
    get("/audit", { action: "signIn", limit: 500 }, { signal }),
    ...OF_KEYS.map((action) => get("/audit", { action, limit: SHOWN }, { signal })),
  ]);
  const rows = found.flatMap((page) => page.data).sort((a, b) => b.number - a.number).slice(0, SHOWN);
  const failed = byAddress(signed.data.filter((row) => row.outcome !== "done"));
  return [
    head("Keys and sign-ins", { lead: "The keys of an account stand with the account." }),
    h("section", { class: "card" }, h("dl", { class: "figures" },
      figure("Wrong keys", whole(health.wrong_keys), h("small", null, "of calls and sign-ins, since the start · ", asOf(health.as_of))),
      figure("Failed sign-ins here", failed.length ? chip(whole(failed.reduce((sum, row) => sum + row.count, 0)), "warn") : "0", h("small", null, "among the newest 500")))),
    failed.length > 0 && h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Failed sign-ins, by address")),
      table({ name: "failed-sign-ins", caption: "Failed sign-ins, by address", rows: failed, columns: [
        { head: "Address", cell: (row) => h("span", { class: "code" }, row.address) },
        { head: "How often", num: true, cell: (row) => whole(row.count), value: (row) => row.count },
        { head: "Last, UTC", cell: (row) => row.last.slice(0, 19).replace("T", " "), value: (row) => row.last },
      ] })),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Keys made, changed and revoked"), h("a", { href: to("/audit") }, "All changes")),
      changesTable({ name: "key-changes", caption: "Changes of keys, newest first", rows, empty: "No key was changed yet.", every: found.some((page) => page.next_cursor) && everyChange(OF_KEYS) })),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Sign-ins to this dashboard"), h("a", { href: to("/audit", { action: "signIn" }) }, "All sign-ins")),
      changesTable({ name: "sign-ins", caption: "Sign-ins, newest first", rows: signed.data, shown: 20, without: ["Account", "Asked"], every: signed.next_cursor && everyChange(["signIn"]) })),
  ];
}

/** Newest first as they come. */
function byAddress(rows) {
  const found = new Map();
  for (const row of rows) {
    const known = found.get(row.address) ?? { address: row.address, count: 0, last: row.time };
    known.count += 1;
    found.set(row.address, known);
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}
