// What is there, how long it lasts, and where it went.

import { get, now } from "../api.js";
import { largest, spark, stacked } from "../chart.js";
import { h, refill } from "../dom.js";
import { change, column, credits, DASH, day, dayShort, dollars, moment, percent, short, until, whole } from "../format.js";
import { watchBalance } from "../live.js";
import { sentence } from "../notices.js";
import { asOf, chip, figure, head, later, say } from "../parts.js";
import { refused } from "../refused.js";
import { to } from "../router.js";
import { table } from "../table.js";
import { buckets, DAY_S, HOUR_S, period, results, today, total } from "../usage.js";

const RUNWAY_DAYS = 7;
// From a hundred millions on a figure is set smaller.
const LARGE_UCR = 1e14;
const SPANS = [1, 7, 30];
const spanName = (length) => (length === 1 ? "Today" : `${length} days`);

export const overview = { path: "/", title: "Overview", show };

// What is there is shown as soon as it is known; where it went is asked for when that is drawn.
async function show({ signal, session }) {
  const at = now();
  let balance = await get("/balance", {}, { signal });
  const drawn = new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const then = (...asked) => drawn.then(() => buckets(...asked));
  const days = then("/usage", { start: today(at) - 61 * DAY_S, end: today(at) + DAY_S, width: "1d" }, { signal });
  const models = then("/usage", { ...period(30, at), width: "1d", group_by: "model" }, { signal });
  const used = Promise.all([
    days,
    then("/refusals", { ...period(30, at), width: "1d" }, { signal }),
    // The same time of the day, one, seven and thirty days ago: a day that is not over is compared
    // with as much of another.
    ...SPANS.map((ago) => partOfDay(then, today(at) - ago * DAY_S, at, signal)),
  ]);
  const periods = (each) => h("section", { class: "periods", "aria-label": "Use" }, SPANS.map(each));
  const following = [
    later(used.then(([found, turned, ...before]) => periods((length, index) => spent(length, found, before[index], turned))), periods(expected)),
    later(models.then((found) => [overTime(found), byModel(found, balance)]), h("section", { class: "card tall" }, h("h2", null, "Credits a day"))),
  ];
  const place = h("section", { class: "card balance", "aria-label": "Balance" });
  let perDay = null;
  const tell = () => refill(place, balanceOf(balance, perDay));
  tell();
  days.then((found) => {
    perDay = total(results(found.slice(-RUNWAY_DAYS))).charged / RUNWAY_DAYS;
    tell();
  }, () => {});
  drawn.then(() => signal.aborted || watchBalance(balance, (told) => tell((balance = told)), (noticed) => say(sentence(noticed)), signal));
  return [
    head("Overview", { lead: session.key.name ? `Signed in with the key “${session.key.name}”.` : null }),
    place,
    following,
  ];
}

const expected = (length) => h("article", { class: "card period" }, h("h2", null, spanName(length)), h("p", { class: "sum" }, h("b", null, DASH)));

async function partOfDay(ask, start, at, signal) {
  const hours = Math.ceil((at / 1000 - today(at)) / HOUR_S);
  return total(results(await ask("/usage", { start, end: start + hours * HOUR_S, width: "1h" }, { signal })));
}

function balanceOf(balance, perDay) {
  const usd = Number(balance.usd_per_credit);
  const available = balance.available.microcredits;
  const reset = nextReset(balance);
  return [
    h("div", { class: "amount" },
      h("p", { class: "name" }, "Available", state(balance)),
      h("p", { class: "large" }, h("a", { href: to("/statement") }, h("b", { id: "available", class: available >= LARGE_UCR && "long" }, credits(available))), " credits"),
      h("p", { class: "aside" }, `${dollars(available, usd)} · `, asOf(balance.as_of))),
    h("dl", { class: "figures" },
      figure("Held now", h("span", { id: "held" }, credits(balance.held.microcredits)), h("small", null, running(balance.running_calls), setAside(balance))),
      figure("Lasts", runway(available, perDay), h("small", null, perDay > 0 ? h("a", { href: to("/usage", { days: 7 }) }, `at ${credits(perDay)} a day`) : perDay === null ? "being added up" : "nothing used in 7 days")),
      figure(reset.name, reset.at ? until(reset.at, balance.as_of) : DASH, h("small", null, reset.at ? h("a", { href: to("/statement") }, `${moment(reset.at)} UTC`) : "no grant ends", usedUntil(reset.at, balance.as_of, perDay))),
      balance.debt.microcredits > 0 ? figure("Owed", credits(balance.debt.microcredits), h("small", null, "the next credit pays it first")) : null),
    burning(balance),
  ];
}

/** What is used by then, if it goes on as it went. */
function usedUntil(at, now, perDay) {
  if (!at || !(perDay > 0)) return null;
  const used = perDay * ((new Date(at) - new Date(now)) / (DAY_S * 1000));
  return h("span", { class: "block" }, `about ${used < 1e7 ? credits(used) : whole(used / 1e6)} used by then`);
}

// Held by no call.
function setAside(balance) {
  const ahead = balance.in_advance.microcredits;
  return ahead > 0 ? `, ${credits(ahead)} set aside for outages` : "";
}

const running = (calls) => h("a", { href: to("/running") }, calls === 1 ? "1 running call" : `${whole(calls)} running calls`);

function state(balance) {
  if (balance.debt.microcredits > 0) return chip("in debt", "bad");
  if (balance.available.microcredits <= 0) return chip(balance.held.microcredits > 0 ? "all held" : balance.charged.microcredits > 0 ? "used up" : "no credit", "bad");
  return chip("active", "good");
}

function runway(available, perDay) {
  if (!(perDay > 0)) return DASH;
  const days = available / perDay;
  return days < 1 ? "less than a day" : days > 999 ? "more than 999 days" : `about ${whole(Math.floor(days))} days`;
}

/** What comes first: an allowance that is given anew, or credit that lapses. */
function nextReset(balance) {
  const coming = balance.grants.filter((grant) => grant.kind === "allowance" && grant.effective_at > balance.as_of);
  const resets = coming.map((grant) => grant.effective_at).sort();
  if (resets.length && (!balance.next_expiry || resets[0] <= balance.next_expiry)) return { name: "Next allowance", at: resets[0] };
  return { name: "Next expiry", at: balance.next_expiry };
}

function burning(balance) {
  const grants = balance.grants.filter((grant) => !grant.effective_at || grant.effective_at <= balance.as_of);
  const all = grants.reduce((sum, grant) => sum + grant.remaining.microcredits + grant.held.microcredits, 0);
  if (!all) return null;
  const part = (ucr) => Math.max(0.4, (100 * ucr) / all);
  return h("div", { class: "burn" },
    h("div", { class: "bar", role: "img", "aria-label": "What burns first, from the left; the list below tells each grant." },
      grants.flatMap((grant, place) => [
        grant.held.microcredits ? h("i", { class: `s${place % 8} held`, "width%": part(grant.held.microcredits) }) : null,
        grant.remaining.microcredits ? h("i", { class: `s${place % 8}`, "width%": part(grant.remaining.microcredits) }) : null,
      ])),
    h("ol", null, grants.map((grant, place) => h("li", null, h("i", { class: `s${place % 8}` }),
      h("span", { title: grant.id }, h("b", null, grant.kind), ` ${grant.id}`),
      h("span", { class: "num" }, credits(grant.remaining.microcredits), grant.held.microcredits ? h("small", null, ` + ${credits(grant.held.microcredits)} held`) : null),
      h("span", { class: "ends" }, grant.expires_at ? `ends ${day(grant.expires_at)}` : "never ends")))));
}

function spent(length, days, partBefore, turned) {
  const now = total(results(days.slice(-length)));
  const shown = days.slice(-length);
  const whole_days = total(results(days.slice(-2 * length + 1, -length)));
  // Nothing is compared with a time from which there are no figures.
  const known = results(days.slice(0, -2 * length + 1)).length > 0;
  const before = { charged: whole_days.charged + partBefore.charged, requests: whole_days.requests + partBefore.requests };
  const byClass = to("/usage", { days: length, measure: "tokens", by: "class" });
  const values = (length === 1 ? days.slice(-14) : shown).map((bucket) => total(bucket.results).charged);
  return h("article", { class: "card period" },
    h("div", { class: "title" }, h("h2", null, h("a", { href: to("/usage", { days: length }) }, spanName(length))), asOf(null)),
    h("p", { class: "sum" }, h("a", { href: to("/usage", { days: length }) }, h("b", null, credits(now.charged))), " credits ", h("span", { class: "change", title: `Before: ${credits(before.charged)} credits` }, known ? change(now.charged, before.charged) : DASH)),
    spark(values, `Credits a day, the last ${values.length} days`),
    h("dl", { class: "lines" },
      h("div", null, h("dt", null, "Requests"), h("dd", null, h("a", { href: to("/requests", { from: day(shown[0].start_time * 1000) }) }, whole(now.requests)), h("small", null, known ? change(now.requests, before.requests) : DASH))),
      h("div", null, h("dt", null, "Tokens in"), h("dd", null, h("a", { href: byClass }, short(now.input)), h("small", null, now.input > 0 && `${percent(now.cached, now.input)} cached`))),
      h("div", null, h("dt", null, "Tokens out"), h("dd", null, h("a", { href: byClass }, short(now.output)), h("small", null, ""))),
      h("div", null, h("dt", null, "Refused, failed"), h("dd", null, h("a", { href: to("/usage", { measure: "refused", days: length }) }, whole(refused(turned.slice(-length)))), h("small", null, "not charged")))),
    h("p", { class: "against" }, length === 1 ? "against yesterday until this hour" : `against the ${length} days before`));
}

function overTime(found) {
  const sums = new Map();
  for (const each of results(found)) sums.set(each.model, (sums.get(each.model) ?? 0) + each.charged.microcredits);
  if (!sums.size) return null;
  const { shown, rest } = largest(sums);
  const series = [...shown.map((model) => ({ id: model, name: model || DASH })), ...(rest.length ? [{ id: "", name: "Other" }] : [])];
  return h("section", { class: "card" },
    h("div", { class: "title" }, h("h2", null, "Credits a day ", asOf(null)), h("a", { href: to("/usage") }, "Usage in detail")),
    stacked({
      title: "Credits a day over the last 30 days, by model",
      write: (ucr) => credits(ucr),
      series,
      buckets: found.map((bucket) => ({
        label: dayShort(bucket.start_time * 1000),
        long: day(bucket.start_time * 1000),
        values: valuesOf(bucket.results, new Set(shown)),
      })),
    }));
}

function valuesOf(found, shown) {
  const values = {};
  for (const each of found) {
    const id = shown.has(each.model) ? each.model : "";
    values[id] = (values[id] ?? 0) + each.charged.microcredits;
  }
  return values;
}

function byModel(found, balance) {
  const sums = new Map();
  for (const each of results(found)) sums.set(each.model, [...(sums.get(each.model) ?? []), each]);
  const rows = [...sums].map(([model, each]) => ({ model, ...total(each) })).sort((a, b) => b.charged - a.charged);
  const all = rows.reduce((sum, row) => sum + row.charged, 0);
  return h("section", { class: "card" },
    h("div", { class: "title" }, h("h2", null, "Where it went, 30 days"), h("a", { href: to("/models") }, "All by model")),
    table({
      name: "models-30-days",
      caption: "Credits by model over the last 30 days",
      empty: "Nothing was used in the last 30 days.",
      rows,
      shown: 6,
      columns: [
        { head: "Model", cell: (row) => h("a", { href: to("/usage", { model: row.model }) }, row.model || DASH), value: (row) => row.model },
        { head: "Requests", num: true, cell: (row) => h("a", { href: to("/requests", { model: row.model }) }, whole(row.requests)), value: (row) => row.requests },
        { head: "Tokens in", num: true, hide: true, cell: (row) => short(row.input), value: (row) => row.input },
        { head: "Tokens out", num: true, hide: true, cell: (row) => short(row.output), value: (row) => row.output },
        { head: "Credits", num: true, cell: (row) => column(row.charged, 2), value: (row) => row.charged / 1e6 },
        { head: "USD", num: true, hide: true, cell: (row) => dollars(row.charged, Number(balance.usd_per_credit)), value: (row) => (row.charged / 1e6) * Number(balance.usd_per_credit) },
        { head: "Share", num: true, cell: (row) => percent(row.charged, all), value: (row) => (all ? row.charged / all : "") },
      ],
    }),
    h("p", { class: "note" }, `From ${dayShort(period(30).start * 1000)} to now. `, asOf(null)));
}
