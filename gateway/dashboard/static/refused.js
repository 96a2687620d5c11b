// Calls that came to nothing: refused by the gateway, or failed at the provider. No record tells of
// them, so they are counted; what was not counted yet is not known, which is no zero.

import { h } from "./dom.js";
import { DASH, whole } from "./format.js";
import { asOf } from "./parts.js";
import { table } from "./table.js";
import { buckets, period } from "./usage.js";

const WORDS = {
  insufficient_quota: "No credit left",
  balance_held: "Credit held by running calls",
  rate_limit_exceeded: "A limit was reached",
  metering_unavailable: "The ledger did not answer",
  provider_error: "Provider's own error",
};

export const reason = (name) => WORDS[name] ?? `${name[0].toUpperCase()}${name.slice(1).replaceAll("_", " ")}`;

/** How many these buckets have; null if it is not known of all of them. */
export function refused(found, of = () => true) {
  if (found.some((bucket) => bucket.results === null)) return null;
  return found.flatMap((bucket) => bucket.results).filter(of).reduce((sum, each) => sum + each.num_calls, 0);
}

const SPANS = [[1, "Today"], [7, "7 days"], [30, "30 days"]];
const SHOWN = 10;

/** What was refused and failed today, in 7 and in 30 days, by reason and model; where `named` tells the names of keys, by key as well. */
export async function refusedCard(path, parameters, signal, named = null) {
  const group_by = named ? "model,api_key_id" : "model";
  const found = await buckets(path, { ...period(30), width: "1d", group_by, ...parameters }, { signal });
  const names = named && (await named);
  const alike = (each) => [each.reason, each.model, each.api_key_id].join(" ");
  const told = found.flatMap((bucket) => bucket.results ?? []);
  const rows = [...new Map(told.map((each) => [alike(each), each])).entries()].map(([name, each]) => ({
    ...each,
    counts: SPANS.map(([days]) => refused(found.slice(-days), (other) => alike(other) === name)),
  }));
  rows.sort((a, b) => (b.counts[2] ?? 0) - (a.counts[2] ?? 0));
  const known = refused(found.slice(-1)) !== null;
  return h("section", { class: "card" },
    h("div", { class: "title" }, h("h2", null, "Refused and failed"), asOf(null)),
    table({ name: "refused", caption: `Calls that were refused or failed, by reason, model${names ? " and key" : ""}`, rows, shown: SHOWN, empty: known ? "Nothing was refused, and nothing failed, as far as it was counted." : DASH, columns: [
      { head: "Why", wrap: true, cell: (row) => [reason(row.reason), h("small", { class: "block code" }, row.reason), h("small", { class: "block narrow-only" }, row.model || DASH)], value: (row) => row.reason },
      { head: "Kind", hide: true, cell: (row) => row.kind },
      { head: "Model", hide: true, wrap: true, cell: (row) => row.model || DASH, value: (row) => row.model },
      names && { head: "Key", hide: true, wrap: true, cell: (row) => names.get(row.api_key_id) || (row.api_key_id ? `tk_${row.api_key_id}` : DASH), value: (row) => row.api_key_id },
      ...SPANS.map(([, head], index) => ({ head, num: true, cell: (row) => whole(row.counts[index]), value: (row) => row.counts[index] ?? "" })),
    ].filter(Boolean) }),
    h("p", { class: "note" }, "None was charged. Calls without a valid key are nobody's and not among them. ", refused(found) === null && `${DASH}: not counted for all of that time.`));
}
