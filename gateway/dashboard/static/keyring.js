// Keys and what they are held to: made, limited, rotated, revoked. For payers and operators alike.

import { send } from "./api.js";
import { h } from "./dom.js";
import { credits, until, whole } from "./format.js";
import { ask, attempt, field, options, reveal, say } from "./parts.js";
import { DAY_S } from "./usage.js";

const UNITS = [["", "No limit"], ["microcredits", "Credits"], ["tokens", "Tokens"], ["requests", "Requests"]];
const WINDOWS = [["day", "a day"], ["month", "a month"], ["hour", "an hour"], ["minute", "a minute"]];
const OVERLAPS = [["86400", "1 day"], ["3600", "1 hour"], ["604800", "7 days"], ["0", "No time: at once"]];

export const works = (key) => !["revoked", "expired"].includes(key.status);
const called = (row) => row.name || row.id;

/** So many of what a limit counts. */
export const amount = (limit, value) => (limit.unit === "microcredits" ? credits : whole)(value);
/** "credits a day" */
export const unit = (limit) => `${limit.unit === "microcredits" ? "credits" : limit.unit}${limit.window === "none" ? " at a time" : ` a ${limit.window}`}`;

/** "40 of 50 credits a day left, anew in 3 hours" */
export function rule(limit) {
  const most = `${amount(limit, limit.ceiling)} ${unit(limit)}`;
  if (limit.remaining === undefined) return most;
  return `${amount(limit, limit.remaining)} of ${most} left${limit.resets_at ? `, anew ${until(limit.resets_at, limit.as_of)}` : ""}`;
}

export function may(row) {
  const rules = row.standing?.length ? row.standing : row.limits;
  return [row.models.length ? row.models.join(", ") : "the plan's models", rules.map((limit) => h("small", { class: "block" }, rule(limit)))];
}

export const ruleFields = (rule) => [
  h("div", { class: "two" },
    options("unit", "Limit", UNITS, rule?.unit ?? ""),
    field("ceiling", "At most", { type: "number", min: "0", step: "any", value: rule ? String(rule.unit === "microcredits" ? rule.ceiling / 1e6 : rule.ceiling) : "" })),
  options("window", "In", WINDOWS, rule?.window ?? "day"),
];

export function ruleOf({ unit, ceiling, window }) {
  if (!unit || ceiling === "") return [];
  return [{ unit, window, ceiling: Math.round(Number(ceiling) * (unit === "microcredits" ? 1e6 : 1)) }];
}

const globs = (text) => text.split(/[\s,]+/).filter(Boolean);
const replaced = (limits) => (limits.length > 1 ? `It has ${limits.length} limits; saving puts this one in their place.` : null);

export function keyActions(row, changed, own = false) {
  if (row.source === "config") return h("small", null, "in the configuration");
  if (row.status !== "active") return null;
  const button = (text, onclick) => h("button", { type: "button", class: "quiet small", onclick, "aria-label": `${text} ${called(row)}` }, text);
  return h("span", { class: "actions" },
    button("Limits", () => limitKey(row, changed)),
    button("Rotate", () => rotate(row, changed)),
    button("Revoke", () => revoke(row, changed, own)));
}

/** `more`: fields besides, whose names are the API's; `fixed`: what is sent as it is. */
export async function makeKey(changed, { more = [], fixed = {}, title = "New key" } = {}) {
  const given = await ask(title, {
    doit: "Make it",
    fields: [
      field("name", "Name", { maxlength: "200", hint: "What it is for." }),
      more,
      field("models", "Models", { placeholder: "all of the plan's", hint: "Names or globs, such as gpt-4.1*, separated by commas." }),
      ruleFields(null),
      field("days", "Ends after days", { type: "number", min: "1", max: "36500", placeholder: "never" }),
    ],
  });
  if (!given) return;
  const { name, models, days, unit, ceiling, window, manages, project } = given;
  await attempt(async () => {
    const made = await send("POST", "/keys", {
      ...fixed,
      name,
      models: globs(models),
      limits: ruleOf({ unit, ceiling, window }),
      expires_in_s: days ? Number(days) * DAY_S : null,
      manages: Boolean(manages),
      project: project || null,
    }, { once: crypto.randomUUID() });
    await reveal("The new key", made.key);
  }, changed);
}

async function limitKey(row, changed) {
  const given = await ask(`Limits of ${called(row)}`, {
    doit: "Save",
    text: replaced(row.limits),
    fields: [field("models", "Models", { value: row.models.join(", "), placeholder: "all of the plan's" }), ruleFields(row.limits[0])],
  });
  if (given) await attempt(() => send("PATCH", `/keys/${row.id}`, { models: globs(given.models), limits: ruleOf(given) }), changed);
}

async function rotate(row, changed) {
  const given = await ask(`Rotate ${called(row)}`, {
    doit: "Make a new one",
    text: "A new key like this one is made. The old one works on for as long as you say.",
    fields: options("overlap", "The old one works for", OVERLAPS, "86400"),
  });
  if (!given) return;
  await attempt(async () => {
    const made = await send("POST", `/keys/${row.id}/rotate`, { overlap_s: Number(given.overlap) }, { once: crypto.randomUUID() });
    await reveal("The new key", made.key);
  }, changed);
}

async function revoke(row, changed, own) {
  const text = `It ends for good, everywhere, within a second.${own ? " You are signed in with it, and will be signed out." : ""}`;
  const given = await ask(`Revoke ${called(row)}?`, { doit: "Revoke", danger: true, text });
  if (given) await attempt(() => send("DELETE", `/keys/${row.id}`).then(() => say(`${called(row)} is revoked.`)), changed);
}

/** What each key used in the buckets of the last days, by its id. */
export function usedBy(found, days) {
  const sums = new Map();
  for (const each of found.slice(-days).flatMap((bucket) => bucket.results)) sums.set(each.api_key_id, (sums.get(each.api_key_id) ?? 0) + each.charged.microcredits);
  return (id) => sums.get(id) ?? 0;
}
