// Where settled usage is delivered to: how that goes, and what to do about it.

import { all, get, send } from "../api.js";
import { h } from "../dom.js";
import { DASH, moment, span, whole } from "../format.js";
import { ask, asOf, attempt, chip, field, figure, head, say, when } from "../parts.js";
import { to } from "../router.js";
import { listed, table } from "../table.js";
import { endpoints } from "../webhooks.js";
import { accountLink, amountColumn } from "./common.js";

export const sinks = { path: "/sinks", title: "Sinks", show: list };
export const sink = { path: "/sinks/:name", within: sinks, show: one };

const STATES = { running: "good", failing: "bad", disabled: "bad", paused: "warn", not_configured: "warn" };
const LETTERS = 200;
const state = (row) => chip(row.state.replace("_", " "), STATES[row.state] ?? "");
const lag = (row) => (row.waiting ? (row.lag_s < 60 ? `${whole(row.lag_s)} s` : span(row.lag_s * 1000)) : "none");

async function list({ router, signal }) {
  const [found, hooks] = await Promise.all([get("/sinks", {}, { signal }), all("/webhooks", {}, { signal })]);
  const changed = () => router.show();
  return [
    head("Sinks", { lead: "Billing systems and logs that get each settlement, and webhooks that get notices." }),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Sinks"), asOf(null)),
      table({ name: "sinks", caption: "Sinks", rows: found.data, empty: "The configuration names no sink.", columns: [
        { head: "Sink", cell: (row) => h("span", null, h("a", { href: to(`/sinks/${encodeURIComponent(row.name)}`) }, row.name), h("small", { class: "block" }, row.kind ?? "not configured")), value: (row) => row.name },
        { head: "State", cell: (row) => h("span", null, state(row), row.last_error && row.state !== "running" ? h("small", { class: "block clip" }, row.last_error) : null), value: (row) => row.state },
        { head: "Waiting", num: true, cell: (row) => whole(row.waiting), value: (row) => row.waiting },
        { head: "Lag", num: true, hide: true, cell: lag, value: (row) => row.lag_s },
        { head: "Delivered", num: true, hide: true, cell: (row) => whole(row.delivered), value: (row) => row.delivered },
        { head: "Dead letters", num: true, hide: true, cell: (row) => h("a", { href: to(`/sinks/${encodeURIComponent(row.name)}`) }, row.dead_letters ? chip(whole(row.dead_letters), "bad") : "0"), value: (row) => row.dead_letters },
        { head: "Change", cell: (row) => pausing(row, changed), value: () => "" },
      ] })),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Webhooks")),
      endpoints({ rows: hooks, manages: true, changed, own: { head: "Of", cell: (row) => (row.account_id ? accountLink(row.account_id) : "the operator"), value: (row) => row.account_id } })),
  ];
}

function pausing(row, changed, look = "quiet small") {
  const resumes = ["paused", "disabled", "failing"].includes(row.state);
  const button = (text, onclick) => h("button", { type: "button", class: look, "aria-label": `${text} ${row.name}`, onclick }, text);
  return h("span", { class: "actions" },
    resumes && button("Resume", () => act(row, "resume", changed)),
    row.state !== "paused" && row.kind && button("Pause", () => act(row, "pause", changed)));
}

async function act(row, what, changed) {
  const text = what === "pause" ? "Nothing is sent to it until it is resumed. It misses nothing: what is charged meanwhile waits for it." : "What waits is sent from now on.";
  if (!(await ask(`${what === "pause" ? "Pause" : "Resume"} ${row.name}?`, { doit: what === "pause" ? "Pause" : "Resume", text }))) return;
  await attempt(() => send("POST", `/sinks/${row.name}/${what}`).then(() => say(`${row.name}: ${what}d.`)), changed);
}

async function one({ parameters, query, router, signal }) {
  const name = parameters.name;
  const [row, letters] = await Promise.all([
    get(`/sinks/${name}`, {}, { signal }),
    get(`/sinks/${name}/dead-letters`, { cursor: query.get("cursor"), limit: LETTERS }, { signal }),
  ]);
  const changed = () => router.show();
  const about = (what) => ({ ids: letters.data.map((letter) => letter.id), what });
  return [
    head(`Sink ${row.name}`, { lead: row.kind ? `It is a ${row.kind} sink.` : "It is no longer configured; what waits for it stays until it is forgotten.", tools: [pausing(row, changed, null), row.kind && h("button", { type: "button", onclick: () => replay(row, changed) }, "Replay")] }),
    h("section", { class: "card", "aria-label": "Deliveries" },
      h("dl", { class: "figures" },
        figure("State", state(row), h("small", null, row.failing_since ? `since ${moment(row.failing_since)} UTC` : asOf(null))),
        figure("Waiting", whole(row.waiting), h("small", null, `the oldest: ${lag(row)}`)),
        figure("Delivered", whole(row.delivered), h("small", null, row.last_delivered_at ? `last ${moment(row.last_delivered_at)} UTC` : "nothing yet")),
        figure("Dead letters", whole(row.dead_letters), h("small", null, `${whole(row.refused)} refused since it is known`)),
        figure("Tried again", whole(row.retried), h("small", null, `${whole(row.duplicates)} were there already`)),
        figure("To be sent once more", whole(row.repeats))),
      row.last_error && h("p", { class: "note" }, `The last error, ${moment(row.last_error_at)} UTC: ${row.last_error}`)),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Dead letters"), letters.data.length > 0 && h("span", { class: "actions" },
        h("button", { type: "button", class: "small", onclick: () => mend(row, about("redrive"), changed) }, "Send these again"),
        h("button", { type: "button", class: "quiet small", onclick: () => mend(row, about("discard"), changed) }, "Discard these"))),
      table({ name: `dead-letters-${row.name}`, caption: "What it did not take, and why", rows: letters.data, empty: "It took everything.", every: (query.get("cursor") || letters.next_cursor) && listed(`/sinks/${name}/dead-letters`, { limit: 1000 }), columns: [
        { head: "Died, UTC", cell: (letter) => when(letter.died_at), value: (letter) => letter.died_at },
        { head: "Why", wrap: true, cell: (letter) => letter.reason },
        { head: "Account", cell: (letter) => accountLink(letter.account_id), value: (letter) => letter.account_id },
        { head: "Request", hide: true, wrap: true, cell: (letter) => h("span", { class: "code" }, letter.request_id || letter.identifier || DASH) },
        amountColumn("Credits", (letter) => letter.amount),
      ] }),
      h("p", { class: "pages" }, asOf(null), letters.next_cursor && h("a", { rel: "next", href: to(`/sinks/${encodeURIComponent(name)}`, { cursor: letters.next_cursor }) }, "More"))),
  ];
}

async function mend(row, { ids, what }, changed) {
  const redrive = what === "redrive";
  const given = await ask(redrive ? `Send ${whole(ids.length)} again?` : `Discard ${whole(ids.length)} for good?`, {
    doit: redrive ? "Send again" : "Discard",
    danger: !redrive,
    text: redrive ? "Mend the cause first, or they come back." : `${row.name} will never get them.`,
  });
  if (given) await attempt(() => send("POST", `/sinks/${row.name}/dead-letters/${what}`, { ids }).then((done) => say(`${whole(done.count)} ${redrive ? "are sent again" : "are forgotten"}.`)), changed);
}

async function replay(row, changed) {
  const given = await ask(`Replay to ${row.name}`, {
    doit: "Send them once more",
    text: "What was charged in this time is sent once more, as far back as the outbox goes. A sink that knows the ids of what it got takes nothing twice.",
    fields: [field("from", "From, UTC", { type: "datetime-local", required: true }), field("to", "Until, UTC", { type: "datetime-local", hint: "Now, if it is left empty." })],
  });
  if (!given) return;
  const ms = (text) => Date.parse(`${text}Z`);
  await attempt(async () => {
    const done = await send("POST", `/sinks/${row.name}/replay`, { from_ms: ms(given.from), ...(given.to ? { to_ms: ms(given.to) } : {}) }, { once: crypto.randomUUID() });
    say(`${whole(done.count)} are sent once more.`);
  }, changed);
}
