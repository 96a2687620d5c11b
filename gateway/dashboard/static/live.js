// What moves while one looks. The gateway tells when it does (server-sent events); what is shown is
// then asked for anew. Pages nobody sees listen to nothing: a browser has few connections to spare.

import { address, get } from "./api.js";
import { NOTICES } from "./notices.js";

const AGAIN_MS = 5000;

/** Tell `told` the balance whenever it has changed, and `noticed` each notice, until `signal`. */
export function watchBalance(told, noticed, signal) {
  let source = null;
  let timer = 0;
  const changed = async () => {
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
