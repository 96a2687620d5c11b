// The Metering API, as the dashboard asks it: by the session that signing in opened.

const ROOT = "/metering/v1";
let guard = "";
let aheadMs = 0;

/** The time it is at the gateway: whoever looks may have a clock that is wrong. */
export const now = () => Date.now() + aheadMs;

function set(told) {
  const off = Date.parse(told) - Date.now();
  // Told in whole seconds, a moment ago.
  aheadMs = Math.abs(off) > 2000 ? off : 0;
}

/** An answer that says no: `status`, `code` and a sentence. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `The gateway answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "";
  }
}

/** The address of an operation; parameters that are empty are left out. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  return ROOT + path + (query.size ? `?${query}` : "");
}

const begun = new Map();

/** Ask before anybody needs it: whoever gets the same first has this answer. */
export function ahead(path) {
  const asked = ask("GET", address(path), undefined, { quiet: true });
  asked.catch(() => {});
  begun.set(address(path), asked);
}

export function get(path, parameters, options) {
  const url = address(path, parameters);
  const asked = begun.get(url);
  begun.delete(url);
  return asked ?? ask("GET", url, undefined, options);
}

/** A change; `once` names it, so that asking again does nothing twice. */
export const send = (method, path, body, { once, quiet } = {}) =>
  ask(method, address(path), body, { quiet, headers: once ? { "Idempotency-Key": once } : {} });

/** `quiet`: nobody is signed out by being refused. */
async function ask(method, url, body, { signal, headers = {}, quiet = false } = {}) {
  const sent = { ...headers };
  if (method !== "GET" && guard) sent["X-Tollkeeper-Guard"] = guard;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const answer = await reached(url, {
    method,
    signal,
    headers: sent,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
  });
  set(answer.headers.get("Date"));
  const document = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  const problem = new Problem(answer.status, document ?? {});
  if (answer.status === 401 && !quiet) dispatchEvent(new CustomEvent("signedout"));
  throw problem;
}

/** Raises a Problem of status 0 if nobody answers; what the view itself gave up stays that. */
async function reached(url, options) {
  try {
    return await fetch(url, options);
  } catch (problem) {
    if (options.signal?.aborted) throw problem;
    throw new Problem(0, { detail: "The gateway does not answer. It may be starting again, or the network is away." });
  }
}

/** Who is signed in; null for nobody. */
export async function session() {
  try {
    return opened(await get("/session", {}, { quiet: true }));
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export async function signIn(key) {
  guard = "";
  // What was asked ahead was asked as somebody else.
  begun.clear();
  return opened(await send("POST", "/session", { key }, { quiet: true }));
}

export async function signOut() {
  await send("DELETE", "/session");
  guard = "";
}

function opened(answer) {
  guard = answer.guard;
  return answer;
}

/** All rows of a list that comes in pieces, up to so many. */
export async function all(path, parameters, { signal, most = 1000 } = {}) {
  const rows = [];
  let cursor = "";
  do {
    const page = await get(path, { ...parameters, cursor }, { signal });
    rows.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor && rows.length < most);
  return rows;
}
