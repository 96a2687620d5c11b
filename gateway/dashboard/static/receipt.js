// One call: what it cost and why, and which credit paid.

import { get } from "./api.js";
import { h } from "./dom.js";
import { className, credits, DASH, decimal, dollars, duration, exact, moment, whole } from "./format.js";
import { figure, head } from "./parts.js";
import { to, whose } from "./router.js";
import { table } from "./table.js";
import { counted, end, requests } from "./requests.js";

export const receipt = { path: "/requests/:id", within: requests, show };

async function show({ parameters, signal }) {
  const { base, asked } = whose(parameters);
  const [paid, keys, balance] = await Promise.all([
    get(`/generations/${encodeURIComponent(parameters.id)}`, asked, { signal }),
    get("/keys", asked, { signal }),
    get(`${base}/balance`, {}, { signal }),
  ]);
  const key = keys.data.find((each) => each.id === paid.api_key_id);
  const charge = paid.charge.microcredits;
  return [
    head("Receipt", { lead: h("span", { class: "code" }, paid.request_id) }),
    h("section", { class: "card" }, h("dl", { class: "figures" },
      figure("Charged", exact(charge), h("small", null, "credits, ", dollars(charge, Number(balance.usd_per_credit)))),
      figure("Held at most", credits(paid.hold.microcredits), h("small", null, "credits, set aside while it ran")),
      figure("Model", paid.model || DASH, h("small", null, paid.model_requested !== paid.model ? `asked for as ${paid.model_requested}` : paid.provider)),
      figure("Key", key?.name || `tk_${paid.api_key_id}`, h("small", null, paid.dialect.replaceAll("_", " "))),
      figure("Ended", end(paid.end), h("small", null, `${moment(paid.charged_at)} UTC`)),
      figure("Took", duration(paid.duration_ms), h("small", null, `began ${moment(paid.started_at)} UTC`)),
      figure("Counted by", counted(paid.provenance), h("small", null, WHO[paid.provenance] ?? "")),
      figure("Rate card", (paid.rate_version || DASH).split("@")[0], h("small", null, paid.service_tier ? `tier ${paid.service_tier}` : "standard tier")))),
    h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Classes × rates = charge")), lines(paid)),
    h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Which credit paid")), table({
      name: `receipt-${paid.request_id}-grants`,
      caption: "Grants that paid",
      empty: "No grant paid anything.",
      rows: paid.burned,
      columns: [
        { head: "Grant", cell: (row) => h("a", { href: to(`${base}/statement`) }, row.grant), value: (row) => row.grant },
        { head: "Credits", num: true, cell: (row) => exact(row.amount.microcredits), value: (row) => row.amount.credits },
      ],
    })),
  ];
}

const WHO = { reported: "what the provider reported", counted: "our own count of what passed", held: "nothing could be counted: the hold was charged" };

function lines(paid) {
  const tiered = paid.lines.some((line) => line.percent !== 100);
  const rows = [...paid.lines, { total: true, amount: paid.charge, class: "total" }];
  return table({
    name: `receipt-${paid.request_id}`,
    caption: "Lines of the receipt",
    rows,
    columns: [
      { head: "What", cell: (row) => (row.total ? "Charge" : className(row.name)), value: (row) => (row.total ? "charge" : row.name) },
      { head: "Quantity", num: true, cell: (row) => (row.total || row.kind === "rounding" || row.kind === "unitemised" ? "" : whole(row.quantity)), value: (row) => row.quantity ?? "" },
      { head: "Per million", num: true, cell: (row) => (row.credits_per_million ? decimal(row.credits_per_million) : ""), value: (row) => row.credits_per_million ?? "" },
      tiered && { head: "Tier", num: true, hide: true, cell: (row) => (row.percent && row.percent !== 100 ? `${row.percent} %` : ""), value: (row) => row.percent ?? "" },
      { head: "Credits", num: true, cell: (row) => exact(row.amount.microcredits), value: (row) => row.amount.credits },
    ].filter(Boolean),
  });
}
