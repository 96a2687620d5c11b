// Conversations of Anthropic's SDK with a gateway: a JSON list on stdin says how each is held, a
// JSON list on stdout tells what the SDK made of them: an answer each, or the error it threw.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const VERBS = {
  // The message, or the list of all events when it streams.
  async create(sdk, request, options) {
    const answer = await sdk.messages.create(request, options);
    if (!request.stream) return answer;
    const events = [];
    for await (const event of answer) events.push(event);
    return events;
  },
  // What the helper put together, and the text its events brought.
  async stream(sdk, request, options) {
    const stream = sdk.messages.stream(request, options);
    let text = "";
    stream.on("text", (delta) => {
      text += delta;
    });
    return { message: await stream.finalMessage(), text };
  },
  async models(sdk) {
    const ids = [];
    for await (const model of sdk.models.list()) ids.push(model.id);
    return ids;
  },
  // Goes away after a few events.
  async leave(sdk, { events, ...request }, options) {
    let seen = 0;
    for await (const _ of await sdk.messages.create({ ...request, stream: true }, options)) {
      seen += 1;
      if (seen === events) break;
    }
    return seen;
  },
};

function describe(error) {
  return {
    error: {
      kind: error.constructor.name,
      ofTheSdk: error instanceof Anthropic.AnthropicError,
      status: error.status,
      type: error.type,
      body: error.error,
      requestId: error.requestID,
    },
  };
}

const told = [];
for (const { client, request, headers } of JSON.parse(readFileSync(0, "utf8"))) {
  const { verb, ...asked } = request;
  const answer = VERBS[verb](new Anthropic(client), asked, { headers });
  told.push(await answer.then((answer) => ({ answer }), describe));
}
process.stdout.write(JSON.stringify(told));
