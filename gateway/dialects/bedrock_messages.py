"""Anthropic's messages at Amazon Bedrock (`POST /model/{model}/invoke` and
`/model/{model}/invoke-with-response-stream`).

The model stands in the path and streaming is another path; the rest of the body is Anthropic's. It
must say so by its `anthropic_version`: other vendors' models are called at the same paths in their
own formats, which are not read here. Sources: Amazon Bedrock user guide, "Anthropic Claude Messages
API" (read 2026-11-24); botocore 1.44, service model `bedrock-runtime`, InvokeModelRequest.
"""

from urllib.parse import quote, unquote

from gateway.dialects import anthropic_call, anthropic_prompt, bedrock_answer
from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.json_body import read_object, wrong
from gateway.dialects.passing import Passing
from gateway.errors import BadCall
from gateway.metering.call import Call

STREAMED = "/invoke-with-response-stream"
EVENT_STREAM = "application/vnd.amazon.eventstream"

# What a header may ask for besides the call itself, at a price that nothing in the answer tells,
# and the value that costs no more than asking for nothing.
ORDINARY = {
    "x-amzn-bedrock-service-tier": "default",
    "x-amzn-bedrock-performanceconfig-latency": "standard",
    "x-amzn-bedrock-guardrailidentifier": "",
}


class BedrockMessages:
    """Implements `Dialect`."""

    name = "bedrock_messages"

    def read_call(self, request: Request) -> Call:
        _refuse_extras(request)
        document = read_object(request.body, anthropic_call.SINGLE_KEYS)
        version = document.get("anthropic_version")
        if not isinstance(version, str):
            raise wrong("anthropic_version", "a string", version)
        return anthropic_call.call_of(
            document,
            model=unquote(request.segments["model"]),
            stream=request.path.endswith(STREAMED),
            size=len(request.body),
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        return anthropic_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return anthropic_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model == call.model:
            return Prepared(request.body)
        method = request.path.rpartition("/")[2]
        return Prepared(request.body, path=f"/model/{quote(upstream_model, safe='')}/{method}")

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            return bedrock_answer.stream_reader(call)
        return bedrock_answer.json_reader()

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _refuse_extras(request: Request) -> None:
    # All fields of a name: which of two the provider reads is not known here.
    for name, value in request.headers.items():
        if ORDINARY.get(name.lower(), value) != value:
            raise BadCall(
                f"{name} asks for what cannot be charged here; leave it out.",
                details={"param": name},
            )
