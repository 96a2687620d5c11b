// responses.stream: what the helper put together, and the text its events brought.
import { converse } from "./sdk.mjs";

await converse(async (sdk, request, options) => {
  const stream = sdk.responses.stream(request, options);
  let text = "";
  stream.on("response.output_text.delta", (event) => {
    text += event.delta;
  });
  return { response: await stream.finalResponse(), text };
});
