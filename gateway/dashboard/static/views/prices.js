// What a credit buys: the rate card, and a calculator that asks the gateway.

import { get, send } from "../api.js";
import { fill, h } from "../dom.js";
import { className, column, credits, DASH, dollars, exact, short, whole } from "../format.js";
import { asOf, chip, field, figure, head, options } from "../parts.js";
import { table } from "../table.js";

export const prices = { path: "/prices", title: "What a credit buys", show };

const SHOWN = 60;
const CLASSES = ["input_uncached", "input_cache_read", "output_text"];

async function show({ query, router, signal }) {
  const pricing = await get("/pricing", {}, { signal });
  const usd = Number(pricing.usd_per_credit);
  const wanted = (query.get("find") ?? "").toLowerCase();
  const models = pricing.models.filter((model) => model.model.toLowerCase().includes(wanted));
  const search = h("label", { class: "select" }, h("span", null, "Find"),
    h("input", { type: "search", id: "find", value: query.get("find") ?? "", placeholder: "a model", onchange: (event) => router.filter({ find: event.target.value }) }));
  return [
    head("What a credit buys", { lead: `One credit is ${dollars(1e6, usd)}. A call's tokens times their rates are added up and rounded up once, to a millionth of a credit.` }),
    calculator(pricing, usd),
    h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", null, "Rate card"), h("div", { class: "tools" }, search)),
      table({
        name: "rate-card",
        caption: "Credits per million tokens, and what one credit buys",
        empty: "No model of that name.",
        rows: models,
        shown: SHOWN,
        columns: columns(models),
      }),
      h("p", { class: "note" }, models.length > SHOWN ? "Look for others by name. " : "", asOf(null))),
  ];
}

const rate = (model, name) => model.rates[0]?.credits_per_million_tokens[name];

function columns(models) {
  const byPiece = models.some((model) => Object.keys(model.credits_per_million_pieces).length || Number(model.credits_per_request));
  return [
    { head: "Model", cell: (row) => h("span", null, row.model, row.rates.length > 1 ? h("small", { class: "block" }, `dearer above ${short(row.rates[1].above_input_tokens)} tokens in`) : null), value: (row) => row.model },
    ...CLASSES.map((name) => ({
      head: `${className(name)}, per M`,
      num: true,
      hide: name === "input_cache_read",
      cell: (row) => (rate(row, name) === undefined ? DASH : column(Number(rate(row, name)) * 1e6, 2)),
      value: (row) => rate(row, name) ?? "",
    })),
    ...["input_uncached", "output_text"].map((name) => ({
      head: `${className(name)}, for 1 credit`,
      num: true,
      hide: true,
      cell: (row) => whole(row.rates[0]?.tokens_per_credit[name]),
      value: (row) => row.rates[0]?.tokens_per_credit[name] ?? "",
    })),
    byPiece && { head: "By the piece", hide: true, wrap: true, cell: (row) => pieces(row), value: (row) => Object.entries(row.credits_per_million_pieces).map(([name, each]) => `${name}=${each}`).join(" ") },
    { head: "Version", hide: true, cell: (row) => h("small", null, row.version.split("@")[0]), value: (row) => row.version },
  ].filter(Boolean);
}

function pieces(row) {
  const each = Object.entries(row.credits_per_million_pieces).map(([name, per]) => `${className(name)} ${credits(Number(per))}`);
  if (Number(row.credits_per_request)) each.push(`request ${row.credits_per_request}`);
  return each.length ? each.join(", ") : DASH;
}

/** Asks the gateway what a call would cost, and whether it would be let through now. */
function calculator(pricing, usd) {
  const said = h("dl", { class: "figures", "aria-live": "polite" });
  const form = h("form", { class: "calculator" },
    options("model", "Model", pricing.models.filter((model) => model.rates.length).map((model) => [model.model, model.model]), null),
    field("input", "Tokens in", { type: "number", min: "0", max: "100000000", value: "4000" }),
    field("output", "Tokens out, at most", { type: "number", min: "0", max: "100000000", value: "800" }),
    field("calls", "Calls", { type: "number", min: "1", max: "1000000000", value: "1000" }));
  let turn = 0;
  const count = async () => {
    const given = Object.fromEntries(new FormData(form));
    const mine = ++turn;
    if (!given.model || given.input === "" || given.output === "") return;
    try {
      const told = await send("POST", "/estimate", { model: given.model, input_tokens: Number(given.input), max_output_tokens: Number(given.output) });
      if (mine === turn) fill(said, figures(told, Math.max(1, Number(given.calls) || 1), usd));
    } catch (problem) {
      if (mine === turn) fill(said, figure("Cannot be told", problem.message));
    }
  };
  form.addEventListener("input", count);
  form.addEventListener("submit", (event) => event.preventDefault());
  count();
  return h("section", { class: "card" }, h("div", { class: "title" }, h("h2", null, "Calculator")), form, said);
}

function figures(told, calls, usd) {
  const one = told.worst_case.microcredits;
  const available = told.available.microcredits;
  return [
    figure("One such call", `${exact(one)}`, h("small", null, `credits at most, ${dollars(one, usd)}`)),
    figure(`${whole(calls)} of them`, credits(one * calls), h("small", null, `credits, ${dollars(one * calls, usd)}`)),
    figure("Your credit pays for", one ? whole(Math.floor(available / one)) : DASH, h("small", null, `of ${credits(available)} available`)),
    figure("Right now", told.fits ? chip("let through", "good") : chip("refused", "bad"), h("small", null, told.fits ? `rate card ${told.rate_version.split("@")[0]}` : told.detail)),
  ];
}
