// All accounts with their money: found, sorted, made.

import { get, send } from "../api.js";
import { h } from "../dom.js";
import { whole } from "../format.js";
import { ask, asOf, attempt, field, head, options, say, selection } from "../parts.js";
import { to } from "../router.js";
import { listed } from "../table.js";
import { standingsTable } from "./common.js";

export const accounts = { path: "/accounts", title: "Accounts", show };

const PAGE = 50;
const ORDERS = [["", "Id"], ["charged", "Used most"], ["available", "Nearly empty"], ["held", "Held most"], ["debt", "In debt"], ["lapsed", "Lapsed most"]];
const STATES = [["", "All"], ["active", "Active"], ["suspended", "Suspended"], ["closed", "Closed"]];

async function show({ query, router, signal }) {
  const asked = Object.fromEntries(["search", "sort", "status", "plan", "cursor"].map((name) => [name, query.get(name) ?? ""]));
  const [page, plans] = await Promise.all([get("/standings", { ...asked, limit: PAGE }, { signal }), get("/plans", {}, { signal })]);
  const names = plans.data.map((plan) => [plan.name, plan.name]);
  return [
    head("Accounts", {
      lead: page.matched === page.accounts ? `${whole(page.accounts)} in all.` : `${whole(page.matched)} of ${whole(page.accounts)} are like that.`,
      tools: [
        h("label", { class: "select" }, h("span", null, "Search"),
          h("input", { type: "search", id: "search", value: asked.search, placeholder: "id or name", maxlength: "200", onchange: (event) => router.filter({ search: event.target.value.trim(), cursor: null }) })),
        selection(router, "sort", "Sort by", ORDERS, asked.sort),
        selection(router, "status", "State", STATES, asked.status),
        names.length > 1 && selection(router, "plan", "Plan", [["", "All"], ...names], asked.plan),
        h("button", { type: "button", class: "primary", onclick: () => make(names, router) }, "New account"),
      ],
    }),
    h("section", { class: "card" },
      standingsTable({ name: "accounts", caption: "Accounts", rows: page.data, empty: "No account is like that.", every: (asked.cursor || page.next_cursor) && listed("/standings", { ...asked, limit: 1000 }) }),
      h("p", { class: "pages" }, asOf(page.as_of),
        asked.cursor && h("a", { href: to("/accounts", { ...asked, cursor: null }) }, "First"),
        page.next_cursor && h("a", { rel: "next", href: to("/accounts", { ...asked, cursor: page.next_cursor }) }, "More"))),
  ];
}

async function make(plans, router) {
  const given = await ask("New account", {
    doit: "Create it",
    text: "It begins without credit and without a key.",
    fields: [
      field("id", "Id", { required: true, maxlength: "64", pattern: "[A-Za-z0-9._\\-]+", hint: "Letters, digits, dots and dashes. It stays for good." }),
      field("name", "Name", { maxlength: "200" }),
      options("plan", "Plan", plans, plans[0]?.[0]),
    ],
  });
  if (!given) return;
  let made = null;
  await attempt(async () => {
    made = await send("POST", "/accounts", given, { once: crypto.randomUUID() });
    say(`${made.id} is there.`);
  }, () => (made ? router.go(to(`/accounts/${encodeURIComponent(made.id)}`)) : router.show()));
}
