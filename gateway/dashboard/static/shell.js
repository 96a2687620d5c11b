// The frame around all views: signing in, who that is, the way around.

import { ahead, session, signIn, signOut } from "./api.js";
import { fill, h } from "./dom.js";
import { field, say } from "./parts.js";
import { BASE, Router } from "./router.js";

/**
 * Show these views to whoever is signed in, and the way in to everybody else. `lead`: with which
 * key; `hint`: how it begins; `first`: what the first view shows first; `who(opened)`: how whoever
 * is signed in is named.
 */
export async function start(views, { lead, hint, first, who }) {
  // What most people come for is asked for while it is still looked up who they are.
  if (location.pathname.replace(/\/$/, "") === BASE) ahead(first);
  let router = null;
  const out = (text, problem = false) => {
    router?.stop();
    router = null;
    fill(document.body, entrance({ lead, hint }, (opened) => inside(opened).show({ fresh: true }), { text, problem }));
    document.querySelector("input").focus();
  };
  // Whose session is over already is out as well; whoever is not told so may still be in.
  const leave = () => signOut().then(() => out("You are signed out."), (problem) => problem.status === 401 || say(`You are still signed in. ${problem.message}`, "bad"));
  const inside = (opened) => (router = frame(views, opened, who(opened), leave));
  addEventListener("signedout", () => out("Your session is over: sign in again.", true));
  try {
    const opened = await session();
    if (opened) inside(opened).show();
    else out(null);
  } catch (problem) {
    out(problem.message, true);
  }
}

function entrance({ lead, hint }, entered, { text, problem }) {
  document.title = "Sign in · Tollkeeper";
  const said = h("p", { class: problem ? "problem" : "note", role: "alert" }, text);
  const form = h("form", { class: "card entrance" }, brand(),
    h("h1", null, "Sign in"),
    h("p", { class: "lead" }, lead),
    field("key", "Key", { type: "password", required: true, placeholder: hint, spellcheck: "false", maxlength: "256" }),
    said, h("button", { type: "submit", class: "primary" }, "Sign in"));
  let asked = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asked) return;
    asked = true;
    try {
      entered(await signIn(new FormData(form).get("key").trim()));
    } catch (problem) {
      said.className = "problem";
      fill(said, problem.status === 401 ? "No such key works here. It may be mistyped, revoked or expired." : problem.message);
      form.elements.key.focus();
      form.elements.key.select();
    }
    asked = false;
  });
  return h("main", { class: "outside" }, form);
}

const brand = () => h("span", { class: "brand" }, mark(), h("span", null, "Tollkeeper"));

const mark = () =>
  h("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" },
    h("rect", { width: 32, height: 32, rx: 8 }),
    h("path", { d: "M8 24V11" }), h("path", { d: "M8 13.5 25 9" }), h("path", { class: "faint", d: "M14.5 24a5 5 0 0 1 10 0" }));

function frame(views, opened, who, leave) {
  const mount = h("main", { id: "view", tabindex: "-1" });
  const skip = (event) => {
    event.preventDefault();
    (mount.querySelector("h1") ?? mount).focus();
  };
  const named = views.filter((view) => view.title);
  const links = new Map(named.map((view) => [view, h("a", { href: BASE + (view.path === "/" ? "" : view.path) }, view.title)]));
  fill(document.body,
    h("a", { class: "skip", href: "#view", onclick: skip }, "To the content"),
    h("header", { class: "top" }, brand(),
      h("p", { class: "who", title: who.map((part) => part.textContent).join("") }, who),
      h("button", { type: "button", class: "quiet", onclick: leave }, "Sign out")),
    h("nav", { "aria-label": "Views" }, [...links.values()]),
    mount,
    h("footer", null, h("span", null, "All times are UTC."), h("a", { href: "/metering/v1/docs" }, "API")),
    h("div", { id: "said", role: "status" }));
  const router = new Router(views, {
    mount,
    context: { session: opened },
    shown: (shown) => {
      for (const [view, link] of links) {
        if (view === shown || view === shown?.within) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
  });
  return router;
}
