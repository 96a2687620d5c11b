// responses.create: the response, or the list of all events when it streams.
import { converse } from "./sdk.mjs";

await converse(async (sdk, request, options) => {
  const answer = await sdk.responses.create(request, options);
  if (!request.stream) return answer;
  const events = [];
  for await (const event of answer) events.push(event);
  return events;
});
