// What an account's owner is told, in words.

import { credits, moment } from "./format.js";

const SAYS = {
  "balance.low": () => "Credit is low",
  "balance.depleted": () => "Credit is used up",
  "balance.restored": () => "Credit is restored",
  "grant.expiring": (subject) => `The grant ${subject} ends soon`,
  "allowance.reset": () => "A new allowance",
  "key.limit_reached": (subject) => `Key tk_${subject} reached a limit`,
  "key.created": (subject) => `Key tk_${subject} was made`,
  "key.rotated": (subject) => `Key tk_${subject} took another's place`,
  "key.revoked": (subject) => `Key tk_${subject} was revoked`,
};

export const NOTICES = Object.keys(SAYS);

export const notice = (type, subject) => (SAYS[type] ?? (() => type))(subject);

/** A notice as it comes in, with what it tells beside. */
export function sentence({ type, data }) {
  const more = [data.limit && data.limit.replaceAll("_", " ").replace("microcredits", "credits"), data.left && `${credits(data.left.microcredits)} credits left`, data.expires_at && `until ${moment(data.expires_at)} UTC`];
  return [notice(type, data.subject), ...more.filter(Boolean)].join(", ");
}
