// One account: its money, its keys, and what an operator may do about both.

import { all, get, now, send } from "../api.js";
import { h } from "../dom.js";
import { column, credits, DASH, day, dollars, exact, moment, short, whole } from "../format.js";
import { keyActions, makeKey, may, usedBy, works } from "../keyring.js";
import { ask, asOf, attempt, chip, field, figure, head, options, say, status } from "../parts.js";
import { refusedCard } from "../refused.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";
import { buckets, period, results, total } from "../usage.js";
import { accounts } from "./accounts.js";
import { audited } from "./integrity.js";
import { amountColumn, changesTable, suspend, ucr } from "./common.js";
import { projectsCard } from "./projects.js";

export const account = { path: "/accounts/:id", within: accounts, show };

const SPANS = [[1, "Today"], [7, "7 days"], [30, "30 days"]];
const KINDS = [["prepaid", "Prepaid: it was paid for"], ["promo", "Promotion"], ["allowance", "Allowance"], ["correction", "Correction"]];
const DAY_MS = 86_400_000;

async function show({ parameters, query, router, signal }) {
  const { id } = parameters;
  const ofAccount = all("/keys", { account_id: id }, { signal, most: 10_000 });
  const named = ofAccount.then((keys) => new Map(keys.map((key) => [key.id, key.name])));
  const [row, balance, keys, projects, found, models, plans, changes, turned] = await Promise.all([
    get(`/accounts/${id}`, {}, { signal }),
    get(`/accounts/${id}/balance`, {}, { signal }),
    ofAccount,
    get(`/accounts/${id}/projects`, {}, { signal }),
    buckets("/usage", { ...period(30), width: "1d", group_by: "api_key_id", account_id: id }, { signal }),
    buckets("/usage", { ...period(30), width: "1d", group_by: "model", account_id: id }, { signal }),
    get("/plans", {}, { signal }),
    get("/audit", { account_id: id, limit: 20 }, { signal }),
    refusedCard("/refusals", { account_id: id }, signal, named),
  ]);
  const changed = () => router.show();
  const usd = Number(balance.usd_per_credit);
  const gone = query.get("gone") === "1";
  const project = query.get("project") ?? "";
  const mine = keys.filter((key) => !project || key.project === project);
  const shown = mine.filter((key) => gone || works(key));
  const used = usedBy(found, 30);
  const here = (path, more) => to(`/accounts/${encodeURIComponent(id)}${path}`, more);
  return [
    head(row.id, {
      lead: [row.name && h("span", null, `${row.name} · `), `plan ${row.plan} `, Date.parse(row.plan_since) > 0 && `since ${day(row.plan_since)} `, status(row.status)],
      tools: [
        h("button", { type: "button", class: "primary", onclick: () => grant(row, changed) }, "Grant credit"),
        h("button", { type: "button", onclick: () => takeBack(row, changed) }, "Take back"),
        h("button", { type: "button", onclick: () => changePlan(row, plans.data, changed) }, "Change plan"),
        h("button", { type: "button", onclick: () => suspend(row, `/accounts/${row.id}`, changed) }, row.status === "active" ? "Suspend" : "Reactivate"),
        h("button", { type: "button", onclick: () => audited(row.id, changed) }, "Audit"),
      ],
    }),
    h("section", { class: "card", "aria-label": "Balance" }, h("dl", { class: "figures" },
      figure("Available", h("span", { id: "available" }, credits(ucr(balance.available))), h("small", null, dollars(ucr(balance.available), usd))),
      figure("Held now", h("a", { href: here("/running") }, credits(ucr(balance.held))), h("small", null, `${whole(balance.running_calls)} running`, ucr(balance.in_advance) > 0 ? `, ${credits(ucr(balance.in_advance))} set aside for outages` : "")),
      figure("Charged", h("a", { href: here("/requests") }, credits(ucr(balance.charged))), h("small", null, dollars(ucr(balance.charged), usd))),
      figure("Debt", h("a", { href: here("/statement") }, credits(ucr(balance.debt))), h("small", null, ucr(balance.debt) > 0 ? "the next credit pays it" : "nothing is owed")),
      figure("Next expiry", balance.next_expiry ? day(balance.next_expiry) : DASH, h("small", null, asOf(balance.as_of))))),
    h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Credit, in burn order"), h("a", { href: here("/statement") }, "Statement")),
      table({ name: `grants-${row.id}`, caption: "Grants in burn order", rows: balance.grants, empty: "There is no credit.", columns: [
        { head: "Grant", wrap: true, cell: (each) => h("span", null, each.id, h("small", { class: "block" }, each.kind)), value: (each) => each.id },
        amountColumn("Left", (each) => each.remaining),
        amountColumn("Held", (each) => each.held, { hide: true }),
        { head: "From, UTC", hide: true, cell: (each) => (each.effective_at ? moment(each.effective_at) : "at once"), value: (each) => each.effective_at },
        { head: "Ends, UTC", cell: (each) => (each.expires_at ? day(each.expires_at) : "never"), value: (each) => each.expires_at },
        { head: "Change", cell: (each) => h("button", { type: "button", class: "quiet small", "aria-label": `Take back ${each.id}`, onclick: () => voided(row, each, changed) }, "Take back"), value: () => "" },
      ] })),
    useCard(row, models, here, usd),
    projectsCard(row, projects.data, keys, used, changed),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, project ? `Keys of ${project}` : "Keys"), h("button", { type: "button", class: "small", onclick: () => newKey(row, projects.data, project, changed) }, "New key")),
      table({ name: `keys-${row.id}`, caption: "Keys", rows: shown, empty: "No key works.", columns: keyColumns(row, used, changed) }),
      h("p", { class: "pages" }, asOf(null),
        project && h("a", { href: here("", { gone: query.get("gone") }) }, "All of its keys"),
        (gone || shown.length < mine.length) && h("a", { href: here("", { project, gone: gone ? null : "1" }) }, gone ? "Only those that work" : `${whole(mine.length - shown.length)} revoked or expired`))),
    turned,
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Who changed it"), h("a", { href: to("/audit", { account: id }) }, "All changes")),
      changesTable({ name: `changes-${row.id}`, caption: "Changes of this account, newest first", rows: changes.data, without: ["Account"], every: changes.next_cursor && listed("/audit", { account_id: id, limit: 1000 }) })),
  ];
}

/** What it used today, in 7 and in 30 days, by model. */
function useCard(row, found, here, usd) {
  const inAll = SPANS.map(([days]) => total(results(found.slice(-days))));
  const rows = [...new Set(results(found).map((each) => each.model))].map((model) => ({
    model,
    sums: SPANS.map(([days]) => total(results(found.slice(-days)).filter((each) => each.model === model))),
  })).sort((a, b) => b.sums[2].charged - a.sums[2].charged);
  const from = (days) => ({ from: day(period(days).start * 1000) });
  const counts = (head, of) => ({ head, num: true, hide: true, cell: (each) => short(of(each.sums[2])), value: (each) => of(each.sums[2]) });
  return h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Use"), asOf(null)),
    h("div", { class: "stack" },
      h("dl", { class: "figures" }, SPANS.map(([days, name], index) =>
        figure(name, h("a", { href: here("/requests", from(days)) }, credits(inAll[index].charged)), h("small", null, `${dollars(inAll[index].charged, usd)} · ${inAll[index].requests === 1 ? "1 request" : `${whole(inAll[index].requests)} requests`}`)))),
      table({ name: `use-${row.id}`, caption: "Use by model", rows, empty: "It used nothing in 30 days.", columns: [
        { head: "Model", wrap: true, cell: (each) => h("a", { href: here("/requests", { model: each.model, ...from(30) }) }, each.model || DASH), value: (each) => each.model },
        counts("Requests", (sum) => sum.requests),
        counts("Tokens in", (sum) => sum.input),
        counts("Tokens out", (sum) => sum.output),
        ...SPANS.map(([, head], index) => ({ head, num: true, cell: (each) => column(each.sums[index].charged, 2), value: (each) => each.sums[index].charged / 1e6 })),
      ] })),
    rows.length > 0 && h("p", { class: "note" }, "Requests and tokens are those of 30 days; the last three columns are credits."));
}

function keyColumns(row, used, changed) {
  const calls = (key) => to(`/accounts/${encodeURIComponent(row.id)}/requests`, { key: key.id });
  return [
    { head: "Key", wrap: true, cell: (key) => [h("b", null, key.name || "unnamed"), h("small", { class: "code block" }, `tk_${key.id}…`), key.project && h("small", { class: "block" }, `project ${key.project}`), h("span", { class: "narrow-only" }, states(key))], value: (key) => key.name },
    { head: "Project", value: (key) => key.project ?? "" },
    { head: "State", hide: true, cell: states, value: (key) => key.status },
    { head: "May use", hide: true, wrap: true, cell: may, value: (key) => key.models.join(" ") },
    { head: "30 days", num: true, cell: (key) => h("a", { href: calls(key) }, column(used(key.id), 2)), value: (key) => used(key.id) / 1e6 },
    { head: "Made", hide: true, cell: made, value: (key) => key.created_at },
    { head: "Ends", hide: true, cell: (key) => (key.expires_at ? day(key.expires_at) : "never"), value: (key) => key.expires_at },
    { head: "Change", value: () => "", cell: (key) => keyActions(key, changed) },
  ];
}

const states = (key) => h("span", { class: "chips" }, status(key.status), key.manages && chip("manages"));

/** What nobody noted is said to be of 1970. */
const made = ({ created_at }) => (Date.parse(created_at) > 0 ? day(created_at) : DASH);

const inUcr = (text) => Math.round(Number(text) * 1e6);
const named = () => `op-${crypto.randomUUID()}`;
const who = (row) => (row.name ? `${row.id} (${row.name})` : row.id);

async function grant(row, changed) {
  const given = await ask(`Grant credit to ${row.id}`, {
    doit: "Go on",
    fields: [
      field("credits", "Credits", { type: "number", min: "0.000001", step: "any", required: true }),
      options("kind", "Kind", KINDS, "prepaid"),
      field("days", "Ends after days", { type: "number", min: "1", max: "36500", placeholder: "never" }),
      field("note", "Note", { maxlength: "200", hint: "What for; it stays with the grant." }),
    ],
  });
  if (!given) return;
  const amount = inUcr(given.credits);
  const sure = await ask(`Grant ${exact(amount)} credits?`, { doit: "Grant", text: `They go to ${who(row)}, as ${given.kind} credit${given.days ? `, and end after ${given.days} days` : ", and never end"}. It is noted in the audit trail as yours.` });
  if (!sure) return;
  const expires = given.days ? { expires_at_ms: Math.round(now()) + Number(given.days) * DAY_MS } : {};
  await attempt(async () => {
    await send("POST", `/accounts/${row.id}/grants`, { id: named(), microcredits: amount, kind: given.kind, note: given.note, ...expires }, { once: crypto.randomUUID() });
    say(`${exact(amount)} credits went to ${row.id}.`);
  }, changed);
}

async function takeBack(row, changed) {
  const given = await ask(`Take credit back from ${row.id}`, {
    doit: "Take back",
    danger: true,
    text: "It is taken in burn order; what no credit covers becomes debt. The past stays as it was: this is a movement of its own.",
    fields: [field("credits", "Credits", { type: "number", min: "0.000001", step: "any", required: true }), field("note", "Note", { maxlength: "200", required: true, hint: "Why." })],
  });
  if (!given) return;
  const amount = inUcr(given.credits);
  await attempt(async () => {
    await send("POST", `/accounts/${row.id}/corrections`, { id: named(), microcredits: -amount, note: given.note }, { once: crypto.randomUUID() });
    say(`${exact(amount)} credits were taken back.`);
  }, changed);
}

async function voided(row, each, changed) {
  const sure = await ask(`Take back the grant ${each.id}?`, { doit: "Take back", danger: true, text: `${credits(ucr(each.remaining))} credits are taken from ${who(row)}. What running calls hold of it follows as they end.` });
  if (sure) await attempt(() => send("POST", `/accounts/${row.id}/grants/${each.id}/void`, undefined, { once: crypto.randomUUID() }).then((done) => say(`${credits(ucr(done.voided))} credits were taken back.`)), changed);
}

async function changePlan(row, plans, changed) {
  const given = await ask(`Plan of ${row.id}`, { doit: "Change it", text: "It holds for the next call.", fields: options("plan", "Plan", plans.map((plan) => [plan.name, `${plan.name}, ${plan.enforcement}`]), row.plan) });
  if (given && given.plan !== row.plan) await attempt(() => send("PATCH", `/accounts/${row.id}`, { plan: given.plan }).then(() => say(`${row.id} has the plan ${given.plan}.`)), changed);
}

const newKey = (row, projects, project, changed) => makeKey(changed, {
  title: `New key of ${row.id}`,
  fixed: { account_id: row.id },
  more: [
    projects.length > 0 && options("project", "Project", [["", "none: the account as a whole"], ...projects.map((each) => [each.id, each.id])], project),
    options("manages", "It may", [["", "make calls"], ["1", "make calls and manage the account"]], ""),
  ],
});
