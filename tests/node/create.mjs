// chat.completions.create: the completion, or the list of all chunks when it streams.
import { converse } from "./sdk.mjs";

await converse(async (sdk, request, options) => {
  const answer = await sdk.chat.completions.create(request, options);
  if (!request.stream) return answer;
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  return chunks;
});
