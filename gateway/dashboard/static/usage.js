// Usage over time, asked for in whole buckets and added up.

import { get, now } from "./api.js";

export const HOUR_S = 3600;
export const DAY_S = 86_400;
const PAGE = { "1h": 168, "1d": 400 };

/** All buckets from `start` to `end`, in Unix seconds: as many pages as it takes. */
export async function buckets(path, { start, end, width, ...more }, { signal } = {}) {
  const rows = [];
  let page = "";
  do {
    const answer = await get(path, { start_time: start, end_time: end, bucket_width: width, limit: PAGE[width], page, ...more }, { signal });
    rows.push(...answer.data);
    page = answer.next_page;
  } while (page);
  return rows;
}

const NOTHING = { requests: 0, charged: 0, input: 0, cached: 0, output: 0, tokens: {} };

/** One sum of usage results. */
export function total(results) {
  const sum = { ...NOTHING, tokens: {} };
  for (const each of results) {
    sum.requests += each.num_model_requests ?? 0;
    sum.charged += each.charged?.microcredits ?? 0;
    sum.input += each.input_tokens;
    sum.cached += each.input_cached_tokens;
    sum.output += each.output_tokens;
    for (const [name, count] of Object.entries(each.tokens)) sum.tokens[name] = (sum.tokens[name] ?? 0) + count;
  }
  return sum;
}

export const results = (found) => found.flatMap((bucket) => bucket.results);

/** The seconds at which today began, UTC. */
export const today = (at = now()) => Math.floor(at / 1000 / DAY_S) * DAY_S;

/** Periods to look at: [name, days]. */
export const PERIODS = [["30", "30 days"], ["7", "7 days"], ["90", "90 days"], ["1", "Today"]];

/** From when to when a period of days goes, today included. */
export function period(days, at = now()) {
  const end = today(at) + DAY_S;
  return { start: end - days * DAY_S, end };
}
