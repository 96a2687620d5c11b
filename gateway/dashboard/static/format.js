// Figures as people read them. Amounts come as whole microcredits and are never rounded before
// they are shown; moments are UTC and say so; what is unknown is a dash, never a zero.

export const DASH = "–";
const UCR = 1_000_000;

// A browser takes some twenty milliseconds before it writes the first number by itself (Intl).
function number(value, least, most) {
  const [integer, decimals = ""] = Math.abs(value).toFixed(most).split(".");
  const kept = decimals.slice(0, least) + decimals.slice(least).replace(/0+$/, "");
  const shown = integer.replace(/\B(?=(\d{3})+$)/g, ",") + (kept ? `.${kept}` : "");
  return value < 0 && /[1-9]/.test(shown) ? `-${shown}` : shown;
}

const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

/** Credits for reading: two decimals, more where the amount is small. */
export function credits(ucr) {
  if (!known(ucr)) return DASH;
  const size = Math.abs(ucr);
  const places = size === 0 || size >= UCR ? 2 : size >= UCR / 100 ? 4 : 6;
  return number(ucr / UCR, places, places);
}

/** With as many decimals; what is less than the last of them says so: it is no zero. */
function fixed(value, places) {
  const least = 10 ** -places;
  const tiny = value !== 0 && Math.abs(value) < least / 2;
  return tiny ? `${value < 0 ? "−" : ""}<${number(least, places, places)}` : number(value, places, places);
}

/** Credits in a column: all with as many decimals. */
export const column = (ucr, places = 4) => (known(ucr) ? fixed(ucr / UCR, places) : DASH);

/** Credits to the last microcredit. */
export const exact = (ucr) => column(ucr, 6);

export function dollars(ucr, usdPerCredit) {
  if (!known(ucr) || !known(usdPerCredit)) return DASH;
  const value = (ucr / UCR) * usdPerCredit;
  const size = Math.abs(value);
  const least = 0.0001;
  if (size > 0 && size < least / 2) return `${value < 0 ? "−" : ""}<$${number(least, 4, 4)}`;
  return `${value < 0 ? "−" : ""}$${number(size, 2, size < 1 ? 4 : 2)}`;
}

/** A decimal as it is given, up to six places: "2.5". */
export const decimal = (value) => number(Number(value), 0, 6);

export const whole = (value) => (known(value) ? number(value, 0, 0) : DASH);

/** Large numbers shortly: 12.3 k, 4.56 M. */
export function short(value) {
  if (!known(value)) return DASH;
  for (const [unit, name] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    const size = Math.abs(value) / unit;
    const places = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    if (size >= 1) return number(value / unit, places, places) + name;
  }
  return number(value, 0, 2);
}

export const percent = (part, all) => (known(part) && all > 0 ? `${fixed((100 * part) / all, 1)} %` : DASH);

/** By how much it changed: "+12 %"; a dash without anything to compare with. */
export function change(now, before) {
  if (!known(now) || !known(before) || before <= 0) return DASH;
  const by = Math.round((100 * (now - before)) / before);
  return `${by > 0 ? "+" : by < 0 ? "−" : "±"}${whole(Math.abs(by))} %`;
}

const two = (value) => String(value).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "2026-11-26" */
export function day(moment) {
  if (!known(moment)) return DASH;
  const at = new Date(moment);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
}

/** "26 Nov" */
export const dayShort = (moment) => `${new Date(moment).getUTCDate()} ${MONTHS[new Date(moment).getUTCMonth()]}`;

/** "14:05:09" */
export function clock(moment) {
  const at = new Date(moment);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

/** "2026-11-26 14:05:09"; the column or the sentence says UTC. */
export const moment = (value) => (known(value) ? `${day(value)} ${clock(value)}` : DASH);

/** "in 3 days", from one moment to another. */
export function until(then, now) {
  if (!known(then)) return DASH;
  return `in ${span(Math.max(0, new Date(then) - new Date(now)))}`;
}

/** A stretch of time in its largest sensible unit. */
export function span(ms) {
  for (const [unit, name] of [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"]]) {
    const count = Math.round(ms / unit);
    if (count >= 1 && ms >= unit) return `${whole(count)} ${name}${count === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}

export function duration(ms) {
  if (!known(ms)) return DASH;
  return ms < 1000 ? `${whole(ms)} ms` : `${number(ms / 1000, 1, 1)} s`;
}

const CLASSES = {
  input_uncached: "Input",
  input_cache_read: "Cached input",
  input_cache_write_5m: "Cache write, 5 min",
  input_cache_write_1h: "Cache write, 1 h",
  input_audio: "Audio in",
  input_image: "Images in",
  output_text: "Output",
  output_reasoning: "Reasoning",
  output_audio: "Audio out",
  output_image: "Images out",
  request: "Request fee",
  rounding: "Rounding up",
  unitemised: "Not itemised",
};

/** A class of tokens, or a line of a receipt, in words. */
export const className = (name) => CLASSES[name] ?? name.replaceAll("_", " ");
