// Webhook endpoints, where notices are sent: named, given another secret, switched off, removed.

import { get, send } from "./api.js";
import { h } from "./dom.js";
import { day, moment, whole } from "./format.js";
import { ask, attempt, field, reveal, say, status } from "./parts.js";
import { table } from "./table.js";

const TYPES = ["balance.low", "balance.depleted", "balance.restored", "balance.corrected", "grant.created", "grant.expiring", "grant.expired", "grant.voided", "allowance.reset", "key.created", "key.rotated", "key.revoked", "key.limit_reached", "hold.expired"];
const words = (type) => type.replace(/[._]/g, " ");

/** Endpoints as a table; `own`: a column more, of whose each is; `manages`: they may be changed. */
export function endpoints({ rows, manages, changed, own = null }) {
  const button = (text, row, onclick) => h("button", { type: "button", class: "quiet small", "aria-label": `${text} ${row.url}`, onclick }, text);
  const actions = (row) => h("span", { class: "actions" },
    button("Undelivered", row, () => undelivered(row, manages, changed)),
    manages && [
      button(row.status === "active" ? "Off" : "On", row, () => turn(row, changed)),
      button("New secret", row, () => rotate(row, changed)),
      button("Remove", row, () => remove(row, changed)),
    ]);
  return table({
    name: "webhooks",
    caption: "Webhook endpoints",
    rows,
    empty: "Nothing is sent anywhere yet.",
    columns: [
      { head: "Address", wrap: true, cell: (row) => [h("span", { class: "break" }, row.url), h("small", { class: "block" }, row.types.map(words).join(", ") || "all notices")], value: (row) => row.url },
      own,
      { head: "State", cell: (row) => status(row.status), value: (row) => row.status },
      { head: "Since", hide: true, cell: (row) => day(row.created_at), value: (row) => row.created_at },
      { head: "Change", cell: actions, value: () => "" },
    ].filter(Boolean),
  });
}

/** Ask where to, and for what, and show the secret. */
export async function add(changed) {
  const given = await ask("New webhook endpoint", {
    doit: "Add it",
    text: "Notices are posted there, signed as Standard Webhooks are.",
    fields: [
      field("url", "Address", { type: "url", required: true, maxlength: "2000", hint: "A public https address that answers with 2xx." }),
      h("fieldset", { class: "checks" }, h("legend", null, "Of what; none means all"), TYPES.map((type) => h("label", null, h("input", { type: "checkbox", name: type }), words(type)))),
    ],
  });
  if (!given) return;
  const { url, ...chosen } = given;
  await attempt(async () => {
    const made = await send("POST", "/webhooks", { url, types: Object.keys(chosen) }, { once: crypto.randomUUID() });
    await reveal("The secret of the endpoint", made.secret);
  }, changed);
}

async function turn(row, changed) {
  const active = row.status === "active";
  const text = active ? `Notices are not sent to ${row.url} until it is on again.` : `Notices are sent to ${row.url} from now on.`;
  const given = await ask(active ? "Switch it off?" : "Switch it on?", { doit: active ? "Switch off" : "Switch on", text });
  if (given) await attempt(() => send("PATCH", `/webhooks/${row.id}`, { status: active ? "disabled" : "active" }), changed);
}

async function rotate(row, changed) {
  const given = await ask("A new secret", { doit: "Make one", text: `For a day, messages to ${row.url} are signed with the old one as well.` });
  if (!given) return;
  await attempt(async () => {
    const made = await send("POST", `/webhooks/${row.id}/rotate`, {}, { once: crypto.randomUUID() });
    await reveal("The new secret", made.secret);
  }, changed);
}

async function remove(row, changed) {
  const given = await ask("Remove this endpoint?", { doit: "Remove", danger: true, text: `Nothing more is sent to ${row.url}, nor what is on its way.` });
  if (given) await attempt(() => send("DELETE", `/webhooks/${row.id}`), changed);
}

async function undelivered(row, manages, changed) {
  const found = await get(`/webhooks/${row.id}/undelivered`, { limit: 100 }).catch((problem) => say(problem.message, "bad"));
  if (!found) return;
  const again = manages && found.data.length > 0;
  const fields = h("ul", { class: "lines" }, found.data.map((each) => h("li", null, each.type, h("small", { class: "block break" }, `${moment(each.died_at)} UTC, after ${whole(each.attempts)} attempts: ${each.last_error}`))));
  const given = await ask(found.data.length ? "What it did not take" : "It took everything", { fields, doit: again ? "Send once more" : "Close", back: again });
  if (given && again) await attempt(() => send("POST", `/webhooks/${row.id}/redrive`).then((done) => say(`${whole(done.count)} are sent once more.`)), changed);
}
