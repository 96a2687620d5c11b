// chat.completions.stream: what the helper put together, and the text its events brought.
import { converse } from "./sdk.mjs";

await converse(async (sdk, request, options) => {
  const stream = sdk.chat.completions.stream(request, options);
  let text = "";
  stream.on("content", (delta) => {
    text += delta;
  });
  return { completion: await stream.finalChatCompletion(), text };
});
