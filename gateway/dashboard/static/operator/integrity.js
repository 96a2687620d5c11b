// Does the ledger agree with its journal, and is that as it was written?

import { get, send } from "../api.js";
import { h } from "../dom.js";
import { DASH, exact, moment, whole } from "../format.js";
import { ask, asOf, chip, field, figure, head, say } from "../parts.js";
import { table } from "../table.js";
import { changesTable, everyChange } from "./common.js";

const AUDITS = ["auditAccount", "audit --repair"];

export const integrity = { path: "/integrity", title: "Integrity", show };

async function show({ router, signal }) {
  const [journal, health, audits, repairs] = await Promise.all([
    get("/journal", {}, { signal }),
    get("/health", {}, { signal }),
    ...AUDITS.map((action) => get("/audit", { action, limit: 20 }, { signal })),
  ]);
  const noted = [...audits.data, ...repairs.data].sort((a, b) => b.number - a.number);
  const form = h("form", { class: "inline" }, field("account", "Account", { required: true, maxlength: "64" }), h("button", { type: "submit", class: "primary" }, "Audit"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    audited(new FormData(form).get("account").trim(), () => router.show());
  });
  return [
    head("Integrity", { lead: "Every movement of credit is an entry of a journal, chained by hashes. An audit adds an account's entries up and compares them with the ledger." }),
    h("section", { class: "card", "aria-label": "Journal" }, h("dl", { class: "figures" },
      figure("Entries", whole(journal.entries), h("small", null, journal.chains.length === 1 ? "in 1 chain" : `in ${whole(journal.chains.length)} chains`)),
      figure("Behind the ledger", health.history_lag_ms < 1000 ? "less than 1 s" : `${whole(health.history_lag_ms / 1000)} s`, h("small", null, asOf(health.as_of))),
      figure("Last audit from here", noted[0] ? moment(noted[0].time) : DASH, h("small", null, noted[0] ? ["UTC, of ", noted[0].account_id || noted[0].subject] : "none is noted")),
      figure("Lost and written again", health.restored ? chip(whole(health.restored), "bad") : "0", h("small", null, "settlements, since the start")))),
    h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Audit an account")), form,
      h("p", { class: "note" }, "It looks for 20 seconds at most and changes nothing. ", h("code", null, "tollkeeper audit"), " looks at all accounts and chains, and can repair; it notes only repairs.")),
    h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Audits and repairs")),
      changesTable({ name: "audits", caption: "Audits and repairs, newest first", rows: noted, empty: "None is noted.", every: (audits.next_cursor || repairs.next_cursor) && everyChange(AUDITS) })),
    h("section", { class: "card" }, h("details", null, h("summary", null, "Heads of the chains"),
      table({ name: "chains", caption: "Heads of the chains", rows: journal.chains, empty: "The journal is empty.", columns: [
        { head: "Chain", cell: (row) => String(row.shard) },
        { head: "Entries", num: true, cell: (row) => whole(row.entries), value: (row) => row.entries },
        { head: "Last entry", hide: true, cell: (row) => h("span", { class: "code" }, row.last_entry_id), value: (row) => row.last_entry_id },
        { head: "Hash", wrap: true, cell: (row) => h("span", { class: "code break" }, row.head), value: (row) => row.head },
      ] }))),
  ];
}

/** Look, and tell what was found. */
export async function audited(account, changed) {
  say(`Looking at ${account} …`);
  try {
    const found = await send("POST", "/audits", { account_id: account });
    await ask(`Audit of ${account}`, { doit: "Close", back: false, text: `${moment(found.audited_at)} UTC`, fields: findings(found) });
  } catch (problem) {
    say(problem.message, "bad");
  }
  changed();
}

function findings(found) {
  return [
    h("p", null, found.agrees ? chip("agrees", "good") : chip("differs", "bad"), found.agrees ? " The ledger has what the journal adds up to." : " The ledger and its journal disagree:"),
    found.differences.map((each) => h("p", { class: "problem" }, `${each.what}: the journal says ${exact(each.journal.microcredits)}, the ledger ${exact(each.ledger.microcredits)}`)),
    h("p", null, found.chain_whole ? chip("whole", "good") : chip("broken", "bad"), found.chain_whole ? " Each entry of its chain follows from the one before." : ` Entry ${found.chain_broken_at}, or one before it, is not as it was written.`),
  ];
}
