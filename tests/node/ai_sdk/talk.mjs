// Conversations of Vercel's AI SDK with a gateway: a JSON list on stdin says how each is held, a
// JSON list on stdout tells what the SDK made of them: an answer each, or the error it threw.
import { readFileSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, tool } from "ai";
import { z } from "zod";

const MODELS = {
  openai: (settings, model) => createOpenAI(settings)(model),
  "openai.chat": (settings, model) => createOpenAI(settings).chat(model),
  "openai-compatible": (settings, model) =>
    createOpenAICompatible({ name: "tollkeeper", includeUsage: true, ...settings })(model),
  anthropic: (settings, model) => createAnthropic(settings)(model),
  google: (settings, model) => createGoogleGenerativeAI(settings)(model),
};
const TOOLS = {
  get_toll: tool({
    description: "What a vehicle pays on a road.",
    inputSchema: z.object({ road: z.string(), axles: z.number().int() }),
  }),
};

async function converse({ client, request, headers }) {
  const { maxRetries, ...settings } = client;
  const options = {
    model: MODELS[request.provider](settings, request.model),
    prompt: request.prompt,
    ...(request.tools && { tools: TOOLS, toolChoice: "required" }),
    maxRetries,
    headers,
  };
  if (!request.stream) return told(await generateText(options), []);
  let failure;
  const result = streamText({ ...options, onError: ({ error }) => (failure = error) });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  if (failure) throw failure;
  return told(result, pieces);
}

async function told(result, pieces) {
  return {
    text: await result.text,
    calls: (await result.toolCalls).map(({ toolName, input }) => ({ toolName, input })),
    finishReason: await result.finishReason,
    usage: await result.usage,
    pieces,
  };
}

function describe(error) {
  const last = error.lastError ?? error;
  return { error: { kind: last.name, status: last.statusCode, message: last.message } };
}

const answers = [];
for (const talk of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await converse(talk).then((answer) => ({ answer }), describe));
}
process.stdout.write(JSON.stringify(answers));
