// All accounts' money in one look.

import { get } from "../api.js";
import { h } from "../dom.js";
import { column, credits, DASH, dollars, moment, percent, whole } from "../format.js";
import { asOf, figure, head } from "../parts.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { callsOf } from "./calls.js";
import { amountColumn, standingsTable, ucr } from "./common.js";

export const money = { path: "/money", title: "Money", show };

const HOURS = 720;

async function show({ signal }) {
  const [all, earned] = await Promise.all([get("/overview", { limit: 10 }, { signal }), get("/margin", { hours: HOURS }, { signal })]);
  const usd = Number(all.usd_per_credit);
  const period = { hours: HOURS, since: earned.since };
  const of = (row) => callsOf({ ...period, provider: row.provider, model: row.model });
  const sum = (name, amount, more, href = null) =>
    figure(name, href ? h("a", { href }, credits(ucr(amount))) : credits(ucr(amount)), h("small", null, dollars(ucr(amount), usd), more && ` · ${more}`));
  return [
    head("Money", { lead: "Credits of all accounts together." }),
    h("section", { class: "card", "aria-label": "Sums" },
      h("div", { class: "title" }, h("h2", null, `${whole(all.accounts)} ${all.accounts === 1 ? "account" : "accounts"}`), asOf(all.as_of)),
      h("dl", { class: "figures" },
        sum("Granted", all.granted, "all that was put in", to("/audit", { action: "grant" })),
        sum("Consumed", all.charged, `${percent(ucr(all.charged), ucr(all.granted))} of it`, to("/accounts", { sort: "charged" })),
        sum("Liability", all.liability, "unspent and paid for", to("/accounts", { sort: "available" })),
        sum("Available", all.available, null, to("/accounts", { sort: "available" })),
        sum("Held now", all.held, `${whole(all.running_calls)} running`, to("/holds")),
        sum("Owed to you", all.debt, "served beyond credit", to("/accounts", { sort: "debt" })),
        sum("Lapsed", all.lapsed, null, to("/accounts", { sort: "lapsed" })),
        sum("Taken back", all.voided, null, to("/audit", { action: "voidGrant" })),
        figure("Margin, 30 days", earned.margin ? h("a", { href: callsOf(period) }, credits(ucr(earned.margin))) : DASH, h("small", null, earned.margin ? `${dollars(ucr(earned.margin), usd)} · ${percent(ucr(earned.margin), ucr(earned.costed))} of what was charged` : "no purchase price is configured"))),
      all.accounts_counted < all.accounts && h("p", { class: "note" }, `Sums are of the first ${whole(all.accounts_counted)} accounts.`)),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "By model, 30 days"), h("a", { href: to("/accuracy", { hours: HOURS }) }, "Whose count was charged")),
      table({ name: "money-by-model", caption: "What was charged by model in 30 days, and what it cost", rows: earned.data, empty: "Nothing was charged in 30 days.", columns: [
        { head: "Model", wrap: true, cell: (row) => h("span", null, row.model || DASH, h("small", { class: "block" }, row.provider)), value: (row) => `${row.provider} ${row.model}` },
        { head: "Calls", num: true, cell: (row) => h("a", { href: of(row) }, whole(row.calls)), value: (row) => row.calls },
        amountColumn("Charged", (row) => row.charged),
        { head: "USD", num: true, hide: true, cell: (row) => dollars(ucr(row.charged), usd), value: (row) => (ucr(row.charged) / 1e6) * usd },
        amountColumn("Cost", (row) => row.cost, { hide: true }),
        { head: "Margin", num: true, cell: (row) => (row.margin ? h("a", { href: of(row) }, column(ucr(row.margin), 2)) : DASH), value: (row) => row.margin?.credits ?? "" },
        { head: "Of charged", num: true, hide: true, cell: (row) => (row.margin ? percent(ucr(row.margin), ucr(row.costed)) : DASH), value: (row) => (row.margin && ucr(row.costed) ? ucr(row.margin) / ucr(row.costed) : "") },
        { head: "Cost known of", num: true, hide: true, cell: (row) => percent(ucr(row.costed), ucr(row.charged)), value: (row) => row.costed.credits },
      ] }),
      h("p", { class: "note" }, `Of all calls since ${moment(earned.since)} UTC. Cost: what the provider bills by the purchase prices that are configured; a dash where there are none. Margin: what was charged for these calls less their cost. `, asOf(earned.as_of))),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Who used most"), h("a", { href: to("/accounts", { sort: "charged" }) }, "All accounts")),
      standingsTable({ name: "most-charged", caption: "Accounts that used most", rows: all.most_charged, empty: "Nobody used anything yet." })),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Nearly empty"), h("a", { href: to("/accounts", { sort: "available" }) }, "By what is left")),
      standingsTable({ name: "nearly-empty", caption: "Accounts with a tenth or less left", rows: all.nearly_empty, empty: "Nobody runs short." }),
      h("p", { class: "note" }, "A tenth or less is left of what they were ever granted.")),
  ];
}
