// Which rules calls are held to and how near they are, of what the owner is told, and where.

import { get, send } from "../api.js";
import { h } from "../dom.js";
import { DASH, decimal, percent, until, whole } from "../format.js";
import { amount, unit } from "../keyring.js";
import { notice, NOTICES } from "../notices.js";
import { ask, asOf, attempt, chip, field, head, options, when } from "../parts.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";
import { add, endpoints } from "../webhooks.js";

const LISTED = 50;

export const limits = { path: "/limits", title: "Limits and alerts", show };

async function show({ session, router, signal }) {
  const [standing, marks, hooks, noticed] = await Promise.all([
    get("/limits", {}, { signal }),
    get("/alerts", {}, { signal }),
    get("/webhooks", {}, { signal }),
    get("/ledger", { type: NOTICES, limit: LISTED }, { signal }),
  ]);
  const { key } = session;
  const changed = () => router.show();
  return [
    head("Limits and alerts", { lead: `What calls with the key “${key.name || key.id}” are held to, under the plan ${key.plan}.` }),
    h("section", { class: "card" },
      table({
        name: "limits",
        caption: "Limits and how much of each is used",
        empty: "This plan has no limits beside the balance.",
        rows: standing.data,
        columns: [
          { head: "Limit", cell: (row) => h("span", null, h("b", null, unit(row)), h("small", { class: "block" }, row.scope === "key" ? "for this key" : "for all of the account's keys")), value: (row) => row.name },
          { head: "Used", cell: (row) => gauge(row), value: (row) => row.ceiling - row.remaining },
          { head: "Left", num: true, cell: (row) => amount(row, row.remaining), value: (row) => row.remaining },
          { head: "At most", num: true, hide: true, cell: (row) => amount(row, row.ceiling), value: (row) => row.ceiling },
          { head: "Anew", hide: true, cell: (row) => (row.resets_at ? until(row.resets_at, standing.as_of) : DASH), value: (row) => row.resets_at ?? "" },
        ],
      }),
      h("p", { class: "note" }, "A limit of this key alone takes the place of the plan's limit of its kind for each key. ", h("a", { href: to("/keys") }, "Keys and their own limits"), ". ", asOf(standing.as_of))),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Alerts"), key.manages && !marks.declared && h("button", { type: "button", class: "small", onclick: () => setMarks(marks, changed) }, "Change")),
      h("ul", { class: "marks" }, marks.alerts.map((mark) => h("li", null, h("b", null, words(mark)), h("small", null, mark === "100%" || mark === "0" ? "credit is used up" : "credit runs low"))),
        marks.expiry_notice_days > 0 && h("li", null, h("b", null, `${marks.expiry_notice_days} days before`), h("small", null, "a grant ends"))),
      !marks.alerts.length && h("p", { class: "empty" }, "Nobody is told that credit runs low."),
      h("p", { class: "note" }, SET_BY[marks.declared ? "configuration" : marks.own ? "owner" : "plan"], marks.own ? ` The plan's: ${marks.plan.map(words).join(", ") || "none"}.` : "", key.manages ? "" : " A key that manages the account may change them.")),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Told by webhook"), key.manages && h("button", { type: "button", class: "small", onclick: () => add(changed) }, "New endpoint")),
      endpoints({ rows: hooks.data, manages: key.manages, changed })),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Notices")),
      table({
        name: "notices",
        caption: "Notices, newest first",
        empty: "Nothing to tell: no credit ran low, no grant is about to end.",
        rows: noticed.data,
        every: noticed.next_cursor && listed("/ledger", { type: NOTICES, limit: 1000 }),
        columns: [
          { head: "Time, UTC", cell: (row) => when(row.time), value: (row) => row.time },
          { head: "What", wrap: true, cell: (row) => notice(row.type, row.operation_id), value: (row) => row.type },
          { head: "Of", hide: true, cell: (row) => h("span", { class: "code" }, row.operation_id), value: (row) => row.operation_id },
        ],
      }),
      h("p", { class: "note" }, "The newest ", whole(LISTED), " at most. ", asOf(null))),
    h("section", { class: "card" },
      h("h2", null, "The plan"),
      h("p", { class: "lead" }, ENFORCED[key.enforcement] ?? key.enforcement),
      h("p", { class: "note" }, `Models: ${key.plan_models.map((name) => (name === "*" ? "all" : name)).join(", ")}`)),
  ];
}

const ONCE = " Each is told once, and again only after the balance has been above it.";
const SET_BY = {
  plan: `These are the plan's.${ONCE}`,
  owner: `These are the account's own, in place of the plan's.${ONCE}`,
  configuration: `These stand in the gateway's configuration.${ONCE}`,
};

/** "80 % used", "20 credits left" */
const words = (mark) => (mark.endsWith("%") ? `${mark.slice(0, -1)} % used` : `${decimal(mark)} credits left`);

async function setMarks(marks, changed) {
  const given = await ask("Alerts", {
    doit: "Save",
    text: "The part that is used up, such as 80%, or the credits that are left, such as 20.",
    fields: [
      options("whose", "Whose", [["own", "Our own, as below"], ["plan", `The plan's: ${marks.plan.map(words).join(", ") || "none"}`]], "own"),
      field("marks", "Marks", { value: marks.alerts.join(", "), placeholder: "none", maxlength: "250", hint: "Ten at most, separated by commas." }),
    ],
  });
  if (!given) return;
  const own = given.marks.split(/[\s,]+/).filter(Boolean);
  await attempt(() => send("PUT", "/alerts", { alerts: given.whose === "plan" ? null : own }), changed);
}

const ENFORCED = {
  strict: "Strict: a call holds the most that it may cost, and is refused if that is not there.",
  rolling: "Rolling: a stream holds a slice at a time, and ends cleanly when the credit does.",
  soft: "Soft: a running call may go below zero, down to the plan's bound; a new one needs a positive balance.",
  observe: "Observe: everything is counted and nothing refused.",
};

function gauge(row) {
  const used = Math.max(0, row.ceiling - row.remaining);
  const part = row.ceiling ? Math.min(100, (100 * used) / row.ceiling) : 100;
  return h("span", { class: "gauge" },
    h("span", { class: "track" }, h("i", { class: part >= 90 ? "bad" : part >= 70 ? "warn" : "", "width%": part })),
    h("small", null, row.shadow ? chip("only counted") : percent(used, row.ceiling)));
}
