"""The OpenAI Responses dialect (`POST /v1/responses`, `POST /v1/responses/compact`), also spoken by
vLLM, llama.cpp, Ollama, OpenRouter, xAI and Azure. A decision (`POST /v1/decisions`) is asked about
such an input and reports such a usage.

Only wires the parts together. Usage needs no asking: every response tells it. The same readers read
`GET /v1/responses/{id}`, streamed from any event on or not. Source: OpenAI API reference,
"Responses" (read 2026-11-24).
"""

from gateway.dialects import openai_responses_call, openai_responses_prompt
from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.json_body import with_model
from gateway.dialects.openai_responses_closing import ResponseClosing
from gateway.dialects.openai_responses_story import ENDINGS, ResponseStory
from gateway.dialects.openai_responses_usage import read_response
from gateway.dialects.passing import Passing
from gateway.dialects.sse import last_payloads
from gateway.dialects.story_readers import JsonReader, StreamReader, Tail, decoded
from gateway.metering.call import Call

EVENT_STREAM = "text/event-stream"
# The last event tells the whole response, made pictures included.
EVENT_BYTES_MAX = 64 * 1024 * 1024
# It is the last or the one before, and seldom larger than this unless there are pictures in it.
TAIL_BYTES = 256 * 1024
LAST_EVENTS = 3


class OpenAIResponses:
    """Implements `Dialect`."""

    name = "openai_responses"

    def read_call(self, request: Request) -> Call:
        return openai_responses_call.read_call(request.body)

    def prompt_parts(self, call: Call) -> PromptParts:
        return openai_responses_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return openai_responses_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        body = request.body
        return Prepared(body if upstream_model == call.model else with_model(body, upstream_model))

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        return _stream_reader(call) if content_type == EVENT_STREAM else _json_reader(call)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _stream_reader(call: Call) -> AnswerReader:
    def last_event(tail: Tail) -> Reported | None:
        """What the last event reports, if it can be read without cutting events."""
        for text in last_payloads(tail(TAIL_BYTES), LAST_EVENTS):
            event = decoded(text)
            if isinstance(event, dict) and event.get("type") in ENDINGS:
                response = event.get("response")
                if isinstance(response, dict):
                    return read_response(response, request=call.document)
        return None

    return StreamReader(
        ResponseStory(call.document),
        ResponseClosing(call.model),
        glance=last_event,
        event_bytes_max=EVENT_BYTES_MAX,
    )


def _json_reader(call: Call) -> AnswerReader:
    def tell(document: object) -> ResponseStory:
        story = ResponseStory(call.document)
        story.add_response(document)
        return story

    return JsonReader(tell)
