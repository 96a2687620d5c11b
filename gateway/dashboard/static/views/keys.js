// The account's keys: what each may do and has used; made, rotated and revoked here.

import { get } from "../api.js";
import { h } from "../dom.js";
import { column, DASH, day, whole } from "../format.js";
import { keyActions, makeKey, may, usedBy, works } from "../keyring.js";
import { asOf, chip, head, status } from "../parts.js";
import { refused } from "../refused.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { buckets, DAY_S, period, today } from "../usage.js";

export const keys = { path: "/keys", title: "Keys", show };

async function show({ session, router, query, signal }) {
  const start = today() - 30 * DAY_S;
  const [listed, turned, found] = await Promise.all([
    get("/keys", {}, { signal }),
    buckets("/refusals", { ...period(30), width: "1d", group_by: "api_key_id" }, { signal }),
    buckets("/usage", { start, end: today() + DAY_S, width: "1d", group_by: "api_key_id" }, { signal }),
  ]);
  const gone = query.get("gone") === "1";
  const shown = listed.data.filter((key) => gone || works(key));
  const rows = await Promise.all(shown.map(async (key) => ({ ...key, ...used(key.id, found), refused: refused(turned, (each) => each.api_key_id === key.id), standing: await standing(key, signal) })));
  const hidden = listed.data.length - rows.length;
  const manages = session.key.manages;
  const changed = () => router.show();
  return [
    head("Keys", {
      lead: manages ? "What callers send. A secret is shown once, when it is made." : "This key sees itself only. One that manages the account sees and changes the others.",
      tools: manages && h("button", { type: "button", class: "primary", onclick: () => makeKey(changed) }, "New key"),
    }),
    h("section", { class: "card" },
      table({ name: "keys", caption: "Keys of the account", rows, columns: columns(session, changed), empty: "No keys." }),
      h("p", { class: "pages" }, asOf(null),
        (hidden > 0 || gone) && h("a", { href: to("/keys", { gone: gone ? null : "1" }) }, gone ? "Only those that work" : `${hidden} revoked or expired`))),
  ];
}

/** Where a key stands in the limits that are its own. */
async function standing(key, signal) {
  if (!key.limits.length || key.status !== "active") return [];
  const told = await get(`/keys/${key.id}/limits`, {}, { signal });
  const own = new Set(key.limits.map((limit) => limit.name));
  return told.data.filter((limit) => limit.scope === "key" && own.has(limit.name)).map((limit) => ({ ...limit, as_of: told.as_of }));
}

/** What a key used today, in 7 and in 30 days, and on which day last. */
function used(id, found) {
  const last = found.findLast((bucket) => bucket.results.some((each) => each.api_key_id === id));
  return { today: usedBy(found, 1)(id), week: usedBy(found, 7)(id), month: usedBy(found, 30)(id), last: last ? last.start_time * 1000 : null };
}

function columns(session, changed) {
  return [
    {
      head: "Name",
      wrap: true,
      cell: (row) => h("span", null, h("b", null, row.name || "unnamed"), h("small", { class: "code block" }, `tk_${row.id}…`), row.project && h("small", { class: "block" }, `project ${row.project}`), row.expires_at ? h("small", { class: "block" }, `ends ${day(row.expires_at)}`) : null, h("span", { class: "narrow-only" }, chips(row, session))),
      value: (row) => row.name,
    },
    {
      head: "State",
      hide: true,
      cell: (row) => chips(row, session),
      value: (row) => row.status,
    },
    { head: "May use", hide: true, wrap: true, cell: (row) => may(row), value: (row) => row.models.join(" ") },
    { head: "Today", num: true, hide: true, cell: (row) => h("a", { href: to("/usage", { key: row.id, days: 1 }) }, column(row.today, 2)), value: (row) => row.today / 1e6 },
    { head: "7 days", num: true, hide: true, cell: (row) => h("a", { href: to("/usage", { key: row.id, days: 7 }) }, column(row.week, 2)), value: (row) => row.week / 1e6 },
    { head: "30 days", num: true, cell: (row) => h("a", { href: to("/usage", { key: row.id }) }, column(row.month, 2)), value: (row) => row.month / 1e6 },
    { head: "Refused", num: true, hide: true, cell: (row) => h("a", { href: to("/usage", { measure: "refused", key: row.id }) }, whole(row.refused)), value: (row) => row.refused ?? "" },
    { head: "Last used", hide: true, cell: (row) => (row.last === null ? DASH : h("a", { href: to("/requests", { key: row.id }) }, day(row.last))), value: (row) => (row.last === null ? "" : day(row.last)) },
    ...(session.key.manages ? [{ head: "Change", cell: (row) => keyActions(row, changed, row.id === session.key.id), value: () => "" }] : []),
  ];
}

const chips = (row, session) => h("span", { class: "chips" },
  status(row.status), row.manages && chip("manages"), row.id === session.key.id && chip("yours"));
