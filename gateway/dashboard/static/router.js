// Addresses and views: filters live in the address, so that every view can be kept and sent on.

import { fill, h } from "./dom.js";

export const BASE = "/dashboard";

/** The address of a view of ours. */
export function to(path, query = {}) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  return BASE + path + (parameters.size ? `?${parameters}` : "");
}

/** Whose figures a view shows: those of the account in the address, as operators look at it, or one's own. */
export const whose = ({ account }) => (account ? { base: `/accounts/${encodeURIComponent(account)}`, asked: { account_id: account } } : { base: "", asked: {} });

/** Views in their order: {path: "/keys" or "/requests/:id", title, show(context)}. */
export class Router {
  constructor(views, { mount, context, shown }) {
    this.views = views;
    this.mount = mount;
    this.context = context;
    this.shown = shown;
    this.leaving = new AbortController();
    this.path = null;
    this.onclick = (event) => this.followed(event);
    this.onpop = () => this.show();
    document.addEventListener("click", this.onclick);
    addEventListener("popstate", this.onpop);
  }

  stop() {
    this.leaving.abort();
    document.removeEventListener("click", this.onclick);
    removeEventListener("popstate", this.onpop);
  }

  followed(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || link.download || link.target || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !(url.pathname === BASE || url.pathname.startsWith(`${BASE}/`)) || url.hash) return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }

  go(address) {
    history.pushState(null, "", address);
    return this.show({ fresh: true });
  }

  /** Change filters: what is empty leaves the address. */
  filter(changes) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") query.delete(name);
      else query.set(name, value);
    }
    history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
    return this.show();
  }

  found() {
    const asked = location.pathname.slice(BASE.length).replace(/\/$/, "") || "/";
    for (const view of this.views) {
      const parameters = matched(view.path, asked);
      if (parameters) return { view, parameters };
    }
    return null;
  }

  /** `fresh`: somebody came here, and begins at the head; else it is what they look at, anew. */
  async show({ fresh = false } = {}) {
    this.leaving.abort();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    const found = this.found();
    const same = !fresh && (this.path === null || this.path === location.pathname);
    const focused = this.mount.contains(document.activeElement) ? document.activeElement : null;
    this.shown(found?.view ?? null);
    this.mount.setAttribute("aria-busy", "true");
    let content;
    try {
      content = found
        ? await found.view.show({ ...this.context, parameters: found.parameters, query: new URLSearchParams(location.search), signal, router: this })
        : nothing();
    } catch (problem) {
      if (signal.aborted) return;
      content = failed(problem, () => this.show({ fresh: true }));
    }
    if (signal.aborted) return;
    this.path = location.pathname;
    fill(this.mount, content);
    this.mount.removeAttribute("aria-busy");
    // Where the links do not fit beside each other. Not before: it is laid out once for all of it.
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const heading = this.mount.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    document.title = `${heading?.textContent ?? "Tollkeeper"} · Tollkeeper`;
    if (same) (focused && (alike(this.mount, focused) ?? heading))?.focus({ preventScroll: true });
    else {
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }
}

const called = (node) => node.id || node.getAttribute("aria-label") || node.textContent;

/** What has the focus when a view is shown anew, if it is still there. */
const alike = (mount, was) => [...mount.querySelectorAll(was.tagName)].find((node) => called(node) === called(was));

function matched(pattern, asked) {
  const parts = pattern.split("/");
  const given = asked.split("/");
  if (parts.length !== given.length) return null;
  const parameters = {};
  for (const [index, part] of parts.entries()) {
    if (part.startsWith(":")) parameters[part.slice(1)] = decodeURIComponent(given[index]);
    else if (part !== given[index]) return null;
  }
  return parameters;
}

const nothing = () => h("section", { class: "card" }, h("h1", null, "Nothing here"), h("p", null, "There is no such page. ", h("a", { href: to("/") }, "To the first view"), "."));

function failed(problem, again) {
  const missing = problem.status === 404;
  return h("section", { class: "card stack", role: "alert" },
    h("h1", null, missing ? "Not found" : "This cannot be shown now"),
    h("p", null, problem.message),
    h("p", null, missing ? h("a", { href: to("/") }, "To the first view") : h("button", { type: "button", onclick: again }, "Try again")));
}
