// An account's projects: parts of it, with limits for all their keys together.

import { send } from "../api.js";
import { h } from "../dom.js";
import { column, DASH, whole } from "../format.js";
import { rule, ruleFields, ruleOf, works } from "../keyring.js";
import { ask, attempt, field, status } from "../parts.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { suspend } from "./common.js";

/** `used`: what a key used in 30 days. */
export function projectsCard(account, projects, keys, used, changed) {
  const rows = projects.map((project) => {
    const own = keys.filter((key) => key.project === project.id);
    return { ...project, keys: own.filter(works).length, used: own.reduce((sum, key) => sum + used(key.id), 0) };
  });
  const keysOf = (row) => to(`/accounts/${encodeURIComponent(account.id)}`, { project: row.id });
  const button = (text, row, onclick) => h("button", { type: "button", class: "quiet small", "aria-label": `${text} ${row.id}`, onclick }, text);
  return h("section", { class: "card" },
    h("div", { class: "title" }, h("h2", null, "Projects"), h("button", { type: "button", class: "small", onclick: () => make(account, changed) }, "New project")),
    table({ name: `projects-${account.id}`, caption: "Projects", rows, empty: "It has none: its keys belong to the account as a whole.", columns: [
      { head: "Project", wrap: true, cell: (row) => [h("b", null, row.id), row.name && h("small", { class: "block" }, row.name), h("span", { class: "narrow-only" }, status(row.status))], value: (row) => row.id },
      { head: "State", hide: true, cell: (row) => status(row.status), value: (row) => row.status },
      { head: "Limits of all its keys", hide: true, wrap: true, cell: (row) => (row.limits.length ? row.limits.map((limit) => h("span", { class: "block" }, rule(limit))) : "the plan's"), value: (row) => row.limits.map(rule).join("; ") },
      { head: "Keys", num: true, cell: (row) => h("a", { href: keysOf(row) }, whole(row.keys)), value: (row) => row.keys },
      { head: "30 days", num: true, cell: (row) => h("a", { href: keysOf(row) }, column(row.used, 2)), value: (row) => row.used / 1e6 },
      { head: "Change", value: () => "", cell: (row) => (row.status === "closed" ? DASH : h("span", { class: "actions" },
        button("Limits", row, () => limits(account, row, changed)),
        button(row.status === "active" ? "Suspend" : "Reactivate", row, () => suspend(row, path(account, row), changed)))) },
    ] }));
}

const path = (account, project) => `/accounts/${account.id}/projects/${project.id}`;

async function make(account, changed) {
  const given = await ask(`New project of ${account.id}`, {
    doit: "Create it",
    text: "Its credit is the account's; its limits are for all of its keys together.",
    fields: [
      field("id", "Id", { required: true, maxlength: "64", pattern: "[A-Za-z0-9._\\-]+", hint: "Letters, digits, dots and dashes. It stays for good." }),
      field("name", "Name", { maxlength: "200" }),
      ruleFields(null),
    ],
  });
  if (given) await attempt(() => send("POST", `/accounts/${account.id}/projects`, { id: given.id, name: given.name, limits: ruleOf(given) }, { once: crypto.randomUUID() }), changed);
}

async function limits(account, row, changed) {
  const given = await ask(`Limits of ${row.id}`, {
    doit: "Save",
    text: row.limits.length > 1 ? `It has ${row.limits.length} limits; saving puts this one in their place.` : "For all of its keys together, in place of the plan's.",
    fields: ruleFields(row.limits[0]),
  });
  if (given) await attempt(() => send("PATCH", path(account, row), { limits: ruleOf(given) }), changed);
}
