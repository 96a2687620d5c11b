// The views of the person who pays, in the order in which they are needed.

import { h } from "../dom.js";
import { start } from "../shell.js";
import { keys } from "./keys.js";
import { limits } from "./limits.js";
import { models } from "./models.js";
import { overview } from "./overview.js";
import { prices } from "./prices.js";
import { receipt } from "../receipt.js";
import { requests } from "../requests.js";
import { running } from "../running.js";
import { statement } from "../statement.js";
import { usage } from "./usage.js";

start([overview, { ...running, within: overview }, usage, models, keys, requests, receipt, statement, prices, limits], {
  lead: "With a virtual key of your account. A key that manages the account sees its other keys as well.",
  hint: "tk_…",
  first: "/balance",
  who: ({ key }) => [h("b", null, key.account_name || key.account_id), h("span", null, ` plan ${key.plan}`)],
});
