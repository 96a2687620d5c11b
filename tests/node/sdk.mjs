// Conversations of the official SDK with a gateway: a JSON list on stdin says how each is held,
// a JSON list on stdout tells what the SDK made of them: an answer each, or the error it threw.
import { readFileSync } from "node:fs";
import OpenAI from "openai";

export async function converse(talk) {
  const told = [];
  for (const { client, request, headers } of JSON.parse(readFileSync(0, "utf8"))) {
    const sdk = new OpenAI(client);
    told.push(await talk(sdk, request, { headers }).then((answer) => ({ answer }), describe));
  }
  process.stdout.write(JSON.stringify(told));
}

function describe(error) {
  return {
    error: {
      kind: error.constructor.name,
      ofTheSdk: error instanceof OpenAI.OpenAIError,
      status: error.status,
      code: error.code,
      type: error.type,
      body: error.error,
      requestId: error.requestID,
    },
  };
}
