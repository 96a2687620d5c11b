// What the operator's views share.

import { send } from "../api.js";
import { h } from "../dom.js";
import { column, DASH } from "../format.js";
import { ask, attempt, chip, say, status, when } from "../parts.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";

export const ucr = (amount) => amount.microcredits;

/** A column of credits. */
export const amountColumn = (head, of, { places = 2, ...more } = {}) =>
  ({ head, num: true, cell: (row) => (of(row) ? column(ucr(of(row)), places) : DASH), value: (row) => of(row)?.credits ?? "", ...more });

export const accountLink = (id) => (id ? h("a", { href: to(`/accounts/${encodeURIComponent(id)}`) }, id) : DASH);

/** Accounts with their money. */
export function standingsTable({ name, caption, rows, empty, every }) {
  return table({
    name, caption, rows, empty, every,
    columns: [
      { head: "Account", wrap: true, cell: (row) => h("span", null, accountLink(row.account_id), row.name && h("small", { class: "block clip" }, row.name)), value: (row) => row.account_id },
      { head: "Name", value: (row) => row.name },
      { head: "Plan", hide: true, cell: (row) => row.plan },
      { head: "State", hide: true, cell: (row) => status(row.status), value: (row) => row.status },
      amountColumn("Available", (row) => row.available),
      amountColumn("Held", (row) => row.held, { hide: true }),
      amountColumn("Debt", (row) => row.debt, { hide: true }),
      amountColumn("Charged", (row) => row.charged),
      amountColumn("Granted", (row) => row.granted, { hide: true }),
      amountColumn("Lapsed", (row) => row.lapsed, { hide: true }),
    ],
  });
}

/** All changes of these kinds, newest first, for a file. */
export const everyChange = (kinds) => async () => {
  const found = await Promise.all(kinds.map((action) => listed("/audit", { action, limit: 1000 })()));
  return { rows: found.flatMap((each) => each.rows).sort((a, b) => b.number - a.number), more: found.some((each) => each.more) };
};

const ACTIONS = {
  signIn: "Sign-in",
  createAccount: "Account created",
  changeAccount: "Account changed",
  grant: "Credit granted",
  voidGrant: "Grant taken back",
  correct: "Balance corrected",
  createKey: "Key made",
  changeKey: "Key changed",
  rotateKey: "Key rotated",
  revokeKey: "Key revoked",
  createProject: "Project created",
  changeProject: "Project changed",
  setAlerts: "Alerts set",
  createWebhook: "Webhook made",
  changeWebhook: "Webhook changed",
  rotateWebhook: "Webhook's secret changed",
  deleteWebhook: "Webhook removed",
  redriveWebhook: "Notices sent again",
  pauseSink: "Sink paused",
  resumeSink: "Sink resumed",
  replaySink: "Sink replayed",
  redriveDeadLetters: "Dead letters sent again",
  discardDeadLetters: "Dead letters discarded",
  auditAccount: "Account audited",
};

export const actions = Object.entries(ACTIONS);

/** Changes, and attempts at them. */
export function changesTable({ name, caption, rows, empty = "Nothing was changed yet.", without = [], shown, every }) {
  return table({
    name, caption, rows, empty, shown, every,
    columns: [
      { head: "Time, UTC", cell: (row) => when(row.time), value: (row) => row.time },
      { head: "What", wrap: true, cell: (row) => [ACTIONS[row.action] ?? row.action, row.subject && h("small", { class: "block code break" }, row.subject), h("small", { class: "block narrow-only" }, row.actor || "nobody known"), row.account_id && !without.length && h("small", { class: "block narrow-only" }, accountLink(row.account_id))], value: (row) => `${row.action} ${row.subject}`.trim() },
      { head: "Who", hide: true, cell: (row) => row.actor || DASH, value: (row) => row.actor },
      { head: "From", hide: true, cell: (row) => row.address || DASH, value: (row) => row.address },
      { head: "Account", hide: true, cell: (row) => accountLink(row.account_id), value: (row) => row.account_id },
      { head: "Asked", hide: true, wrap: true, cell: (row) => h("small", { class: "code break" }, asked(row)), value: (row) => JSON.stringify(row.details) },
      { head: "Came of it", cell: (row) => chip(row.outcome, row.outcome === "done" ? "good" : row.outcome === "unfinished" ? "warn" : "bad"), value: (row) => row.outcome },
    ].filter((column) => !without.includes(column.head)),
  });
}

function asked(row) {
  const told = Object.entries(row.details).filter(([, value]) => value !== "" && value !== null);
  return told.length ? told.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ") : DASH;
}

/** An account or a project: none of its keys is let through, or all are again. */
export async function suspend(row, path, changed) {
  const active = row.status === "active";
  const doit = active ? "Suspend" : "Reactivate";
  const text = active ? "None of its keys is let through from now on, within a second. Running calls end by themselves, and credit stays." : "Its keys are let through again.";
  if (await ask(`${doit} ${row.id}?`, { doit, danger: active, text })) await attempt(() => send("PATCH", path, { status: active ? "suspended" : "active" }).then((now) => say(`${row.id} is ${now.status}.`)), changed);
}
