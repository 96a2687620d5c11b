// The views of whoever runs the gateway, in the order in which they are needed.

import { start } from "../shell.js";
import { h } from "../dom.js";
import { account } from "./account.js";
import { accounts } from "./accounts.js";
import { accuracy } from "./accuracy.js";
import { calls } from "./calls.js";
import { health } from "./health.js";
import { holds } from "./holds.js";
import { integrity } from "./integrity.js";
import { money } from "./money.js";
import { receipt } from "../receipt.js";
import { requests } from "../requests.js";
import { running } from "../running.js";
import { statement } from "../statement.js";
import { sink, sinks } from "./sinks.js";
import { keys, trail } from "./trail.js";

const ofAccount = ({ path, show }) => ({ path: `/accounts/:account${path}`, within: accounts, show });

start([health, money, accuracy, calls, holds, sinks, sink, accounts, account, ...[requests, receipt, running, statement].map(ofAccount), integrity, keys, trail], {
  lead: "For operators: with a service key that has the scope “admin”.",
  hint: "ts_…",
  first: "/health",
  who: ({ service_id }) => [h("b", null, service_id), h("span", null, " operator")],
});
