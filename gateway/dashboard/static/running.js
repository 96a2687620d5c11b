// What is held now, and for what: the calls that run. Asked for anew while one looks.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { column, credits, DASH, span, whole } from "./format.js";
import { asOf, chip, figure, head, when } from "./parts.js";
import { to, whose } from "./router.js";
import { table } from "./table.js";

export const running = { path: "/running", show };

const AGAIN_MS = 2000;
const LISTED = 500;

async function show({ parameters, signal }) {
  const { base, asked: of } = whose(parameters);
  const ask = () => get("/holds", { ...of, limit: LISTED }, { signal });
  const [first, keys] = await Promise.all([ask(), get("/keys", of, { signal })]);
  const names = new Map(keys.data.map((key) => [key.id, key.name]));
  const place = h("div", { class: "stack" }, told(first, names));
  const again = async () => {
    if (signal.aborted) return;
    try {
      // What nobody sees is not asked for; nor is anything taken away that is being used.
      if (!document.hidden && !place.contains(document.activeElement)) {
        const found = await ask();
        if (signal.aborted) return;
        fill(place, told(found, names));
      }
    } catch {
      // The gateway is away: what is shown says as of when it was so.
    }
    setTimeout(again, AGAIN_MS);
  };
  setTimeout(again, AGAIN_MS);
  return [
    head("Running calls", {
      lead: [base && h("a", { href: to(base) }, parameters.account), base && ": ", "Credit that is set aside for calls, jobs and reservations until they end; then what they did not use is free again. What ended stands in ", h("a", { href: to(`${base}/requests`) }, "Requests"), "."],
    }),
    place,
  ];
}

function told(found, names) {
  const rows = found.data;
  return [
    h("section", { class: "card", "aria-label": "Held now" }, h("dl", { class: "figures" },
      figure("Running", whole(rows.filter((row) => row.kind !== "advance").length), h("small", null, asOf(found.as_of))),
      figure("Held", credits(rows.reduce((sum, row) => sum + row.held.microcredits, 0)), h("small", null, "credits, set aside")),
      figure("Booked so far", credits(rows.reduce((sum, row) => sum + (row.booked?.microcredits ?? 0), 0)), h("small", null, "what was counted of it by now")))),
    h("section", { class: "card" },
      table({ name: "running-calls", caption: "What is held now, and for what", rows, empty: "Nothing runs now, and nothing is held.", columns: columns(found.as_of, names) }),
      found.more && h("p", { class: "note" }, "There are more than these.")),
  ];
}

const KINDS = { call: "call", job: "job", reservation: "reservation", advance: "set aside for outages" };

const columns = (now, names) => [
  { head: "Model", wrap: true, cell: (row) => h("span", null, row.model ?? DASH, h("small", { class: "block code break" }, row.id)), value: (row) => row.model },
  { head: "Request", value: (row) => row.id },
  { head: "Kind", hide: true, cell: (row) => KINDS[row.kind] ?? row.kind },
  { head: "Key", hide: true, cell: (row) => (row.api_key_id ? names.get(row.api_key_id) || `tk_${row.api_key_id}` : DASH), value: (row) => row.api_key_id },
  { head: "Held", num: true, cell: (row) => column(row.held.microcredits), value: (row) => row.held.credits },
  { head: "Booked so far", num: true, hide: true, cell: (row) => (row.booked ? column(row.booked.microcredits) : DASH), value: (row) => row.booked?.credits },
  { head: "Since, UTC", hide: true, cell: (row) => when(row.started_at), value: (row) => row.started_at },
  { head: "Held until", cell: (row) => leaseEnd(row.lease_ends_at, now), value: (row) => row.lease_ends_at },
];

/** When a hold is resolved without a sign of life. */
export function leaseEnd(at, now) {
  const left = new Date(at) - new Date(now);
  if (Number.isNaN(left)) return DASH;
  const said = left < 60_000 && left > 0 ? `in ${whole(Math.ceil(left / 1000))} s` : left > 0 ? `in ${span(left)}` : chip("overdue", "bad");
  return h("time", { datetime: at, title: at }, said);
}
