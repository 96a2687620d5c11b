// models.list: the ids, page by page.
import { converse } from "./sdk.mjs";

await converse(async (sdk) => {
  const ids = [];
  for await (const model of sdk.models.list()) ids.push(model.id);
  return ids;
});
