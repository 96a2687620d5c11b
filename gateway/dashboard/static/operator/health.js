// How the gateway is, and what went wrong since it started. Asked for anew while one looks.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { DASH, span, whole } from "../format.js";
import { asOf, chip, figure, head } from "../parts.js";
import { refusedCard } from "../refused.js";
import { to } from "../router.js";
import { table } from "../table.js";

export const health = { path: "/", title: "Health", show };

const AGAIN_MS = 5000;

async function show({ signal }) {
  const [first, turned] = await Promise.all([get("/health", {}, { signal }), refusedCard("/refusals/all", {}, signal)]);
  const place = h("div", { class: "stack" }, told(first, null));
  let before = first;
  const again = async () => {
    if (signal.aborted) return;
    try {
      // What nobody sees is not asked for; nor is anything taken away that is being used.
      if (!document.hidden && !place.contains(document.activeElement)) {
        const now = await get("/health", {}, { signal });
        if (signal.aborted) return;
        fill(place, told(now, before));
        before = now;
      }
    } catch (problem) {
      if (signal.aborted) return;
      fill(place, away(problem, before));
    }
    setTimeout(again, AGAIN_MS);
  };
  setTimeout(again, AGAIN_MS);
  return [head("Health", { lead: "All workers of this gateway together." }), place, turned];
}

const away = (problem, last) => h("section", { class: "card", role: "alert" },
  h("p", null, chip("no answer", "bad"), ` ${problem.message} `), h("p", { class: "note" }, "The last answer was ", asOf(last.as_of), ". It is asked for again."));

function told(now, before) {
  return [
    h("section", { class: "card", "aria-label": "State" },
      h("div", { class: "title" }, h("h2", null, "State ", now.ready ? chip("ready", "good") : chip("not ready", "bad")), asOf(now.as_of)),
      Object.entries(now.reasons).map(([part, why]) => h("p", { class: "problem" }, `${part}: ${why}`)),
      h("dl", { class: "figures" },
        figure("Workers", whole(now.workers)),
        figure("Store", now.store_up ? now.store_state : chip(now.store_state === "connected" ? "not for all workers" : now.store_state, "bad")),
        figure("Running calls", h("a", { href: to("/holds") }, whole(now.open_calls))),
        figure("Calls a second", rate(now, before), h("small", null, `${whole(now.calls)} in all`)),
        figure("Added by metering", limit(now.overhead_p50_ms), h("small", null, `p99 ${limit(now.overhead_p99_ms)}`)),
        figure("Event loop late, p99", limit(now.loop_lag_p99_ms)),
        figure("Waiting in the spool", whole(now.spool_waiting), h("small", null, "settlements the ledger has not confirmed")),
        figure("History behind", now.history_lag_ms < 1000 ? "less than 1 s" : now.history_lag_ms < 60_000 ? `${whole(now.history_lag_ms / 1000)} s` : span(now.history_lag_ms)),
        figure("Version", now.version, h("small", { class: "code" }, `configuration ${now.config_digest.slice(0, 12)}`)))),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Since the start"), h("a", { href: to("/accuracy") }, "Whose count was charged")),
      table({ name: "incidents", caption: "What went wrong since the start", rows: incidents(now), columns: [
        { head: "What", cell: (row) => h("span", null, row.what, h("small", { class: "block" }, row.means)), value: (row) => row.what, wrap: true },
        { head: "How often", num: true, cell: (row) => (row.count && row.bad ? h("b", { class: "problem" }, whole(row.count)) : whole(row.count)), value: (row) => row.count },
      ] })),
    h("div", { class: "halves" },
      counts("Refused, since the start", "refusals", "Answered by the gateway itself", now.refusals, "Nothing was refused."),
      counts("Errors of providers, since the start", "provider-errors", "Passed on, and not charged", now.provider_errors, "No provider answered with an error.")),
  ];
}

/** Between two answers. */
function rate(now, before) {
  const seconds = before ? (new Date(now.as_of) - new Date(before.as_of)) / 1000 : 0;
  return seconds > 0 && now.calls >= before.calls ? ((now.calls - before.calls) / seconds).toFixed(1) : DASH;
}

const limit = (ms) => (ms === null ? DASH : `at most ${ms < 1 ? ms.toFixed(2) : whole(ms)} ms`);

function incidents(now) {
  return [
    { what: "Calls that nothing records", means: "served, and no charge is written", count: now.unmetered, bad: true },
    { what: "Settlements lost and asked for again", means: "the store confirmed them and went back", count: now.restored, bad: true },
    { what: "Usage reports not believed", means: "no provider can have meant them", count: now.disbelieved, bad: true },
    { what: "Holds expired", means: "a process died, and the last checkpoint was charged", count: now.holds_expired, bad: true },
    { what: "Settled late", means: "after their hold had expired; charged once", count: now.settled_late },
    { what: "Settled by way of the spool", means: "the ledger did not answer in time", count: now.spooled },
    { what: "Charged beyond their hold", means: "a call used more than was set aside", count: now.overruns },
    { what: "Wrong keys", means: "unknown, revoked or expired; of calls and sign-ins", count: now.wrong_keys },
    { what: "Log lines dropped", means: "whoever reads the log did not keep up", count: now.log_lines_dropped, bad: true },
  ];
}

function counts(title, name, caption, found, empty) {
  const rows = Object.entries(found).map(([what, count]) => ({ what, count })).sort((a, b) => b.count - a.count);
  return h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, title)),
    table({ name, caption, rows, empty, columns: [
      { head: "What", cell: (row) => h("span", { class: "code" }, row.what) },
      { head: "How often", num: true, cell: (row) => whole(row.count), value: (row) => row.count },
    ] }));
}
