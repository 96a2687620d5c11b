// What moves while one looks. The gateway tells when it does (server-sent events); what is shown is
// then asked for anew. Pages nobody sees listen to nothing: a browser has few connections to spare.

import { address, get } from "./api.js";
import { NOTICES } from "./notices.js";

const AGAIN_MS = 5000;

const FIGURES = ["available", "held", "debt", "charged"];
const same = (one, other) => one.running_calls === other.running_calls && FIGURES.every((name) => one[name].microcredits === other[name].microcredits);

/** Tell `told` the balance whenever it is another than `known`, and `noticed` each notice, until `signal`. */
export function watchBalance(known, told, noticed, signal) {
  let source = null;
  let timer = 0;
  const changed = async (event) => {
    const shown = known;
    known = null;
    // A stream begins with the balance as it is, which is what was just asked for.
    if (shown && event?.type === "balance" && same(shown, JSON.parse(event.data))) return;
    try {
      const balance = await get("/balance", {}, { signal });
      if (!signal.aborted) told(balance);
    } catch {
      // Somebody signed out, or the gateway is away: listening goes on, or is begun again.
    }
  };
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    if (signal.aborted || document.hidden) return;
    source = new EventSource(address("/events"));
    source.addEventListener("balance", changed);
    source.addEventListener("end", changed);
    for (const type of NOTICES) source.addEventListener(type, (event) => noticed(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      // The browser tries again by itself, unless it was refused.
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(() => changed().then(open), AGAIN_MS);
    });
  };
  document.addEventListener("visibilitychange", open);
  signal.addEventListener("abort", () => {
    close();
    document.removeEventListener("visibilitychange", open);
  });
  open();
}
