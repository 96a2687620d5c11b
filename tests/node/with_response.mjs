// create().withResponse(): the header fields a program may look at, and the SDK's request id.
import { converse } from "./sdk.mjs";

await converse(async (sdk, request, options) => {
  const { data, response, request_id } = await sdk.chat.completions
    .create(request, options)
    .withResponse();
  return { headers: Object.fromEntries(response.headers), requestId: request_id, id: data.id };
});
