// Small things that several views are made of.

import { now } from "./api.js";
import { fill, h } from "./dom.js";
import { clock, day, moment } from "./format.js";

/** A view's head: its title, what it says in a sentence, its filters. */
export function head(title, { lead = null, tools = null } = {}) {
  return h("header", { class: "head" }, h("div", null, h("h1", null, title), lead && h("p", { class: "lead" }, lead)), tools && h("div", { class: "tools" }, tools));
}

/** A part of a view that comes when its figures do; `expected` stands there until then. */
export function later(content, expected) {
  const place = h("div", { class: "stack", "aria-busy": "true" }, expected);
  content
    .catch((problem) => h("section", { class: "card", role: "alert" }, h("p", null, problem.message), h("button", { type: "button", onclick: () => location.reload() }, "Try again")))
    .then((found) => fill(place, found).removeAttribute("aria-busy"));
  return place;
}

/** When the figures were true. */
export function asOf(moment) {
  const at = moment ?? new Date(now()).toISOString();
  return h("time", { class: "asof", datetime: at, title: `${day(at)} ${clock(at)} UTC` }, `as of ${clock(at)} UTC`);
}

/** A moment in a table; narrow screens leave the year to the reader. */
export function when(value) {
  const text = moment(value);
  return h("time", { datetime: value }, h("span", { class: "wide-only" }, text.slice(0, 5)), text.slice(5));
}

/** One of a few, kept in the address under `name`. */
export function choice(router, name, label, options, chosen) {
  return h("fieldset", { class: "choice" }, h("legend", { class: "hidden" }, label),
    options.map(([value, text], index) =>
      h("button", {
        type: "button",
        id: `${name}-${value}`,
        "aria-pressed": String(value === chosen),
        onclick: () => router.filter({ [name]: index ? value : null, since: null, cursor: null }),
      }, text)));
}

/** A selection among many, kept in the address under `name`; the first means all. */
export function selection(router, name, label, options, chosen) {
  return h("label", { class: "select" }, h("span", null, label),
    h("select", { id: `${name}-select`, onchange: (event) => router.filter({ [name]: event.target.value, cursor: null }) },
      options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
}

/** A figure with its name and what belongs to it. */
export const figure = (name, value, ...more) => h("div", { class: "figure" }, h("dt", null, name), h("dd", null, value, more));

export const chip = (text, kind = "") => h("span", { class: `chip ${kind}` }, text);

const STATUS = { active: "good", expired: "warn", suspended: "warn", disabled: "warn", closed: "bad", revoked: "bad" };
/** The state of an account, a project, a key or an endpoint. */
export const status = (name) => chip(name, STATUS[name]);

/**
 * Something that is asked before it is done, or, without `back`, only told; resolves to what the
 * form gave, or null.
 */
export function ask(title, { fields = [], doit, danger = false, text = null, back = true }) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog" },
      h("h2", { id: "ask-title" }, title),
      text && h("p", { id: "ask-text" }, text),
      fields,
      h("div", { class: "buttons" },
        back && h("button", { type: "button", class: "quiet", onclick: () => done(null) }, "Cancel"),
        h("button", { type: "submit", class: danger ? "danger" : "primary" }, doit)));
    const dialog = h("dialog", { "aria-labelledby": "ask-title", "aria-describedby": text && "ask-text" }, form);
    const done = (given) => {
      // Closed first: so the focus goes back to where it came from.
      dialog.close();
      dialog.remove();
      resolve(given);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      done(Object.fromEntries(new FormData(form)));
    });
    dialog.addEventListener("cancel", () => done(null));
    document.body.append(dialog);
    dialog.showModal();
    // Beyond the last comes the first: the focus does not go to what lies behind.
    const edge = (which) => h("span", { tabindex: "0", onfocus: () => [...form.querySelectorAll("input, select, button")].at(which).focus() });
    dialog.prepend(edge(-1));
    dialog.append(edge(0));
  });
}

let fields = 0;

export function field(name, label, { type = "text", value = "", hint = null, ...more } = {}) {
  const id = `field-${++fields}`;
  return h("div", { class: "field" }, h("label", { for: id }, label),
    h("input", { id, name, type, value, autocomplete: "off", "aria-describedby": hint && `${id}-hint`, ...more }),
    hint && h("small", { id: `${id}-hint` }, hint));
}

export function options(name, label, choices, chosen) {
  const id = `field-${++fields}`;
  return h("div", { class: "field" }, h("label", { for: id }, label),
    h("select", { id, name }, choices.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
}

const SAID_MS = 6000;
// Long enough to be read to the end, and acted on.
const SAID_BAD_MS = 20_000;

/** Say something at the foot of the page for a while; read out as well. */
export function say(text, kind = "") {
  const place = document.getElementById("said");
  const note = h("p", { class: kind }, text);
  place.append(note);
  setTimeout(() => note.remove(), kind === "bad" ? SAID_BAD_MS : SAID_MS);
}

/** Do it, say if it was refused, show the view anew. */
export async function attempt(doing, changed) {
  try {
    await doing();
  } catch (problem) {
    say(problem.message, "bad");
  }
  changed();
}

/** A secret, this once. */
export function reveal(title, secret) {
  const copied = (event) => navigator.clipboard?.writeText(secret).then(() => (event.target.textContent = "Copied"), () => {});
  return ask(title, {
    doit: "I have copied it",
    back: false,
    text: "Copy it now: only a digest of it is kept, and it is not shown again.",
    fields: [h("code", { class: "secret", id: "secret" }, secret), h("button", { type: "button", onclick: copied }, "Copy")],
  });
}
