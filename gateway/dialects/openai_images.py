"""The OpenAI images dialect (`POST /v1/images/generations`, `/edits`, `/variations`).

Models are sold by the token (gpt-image-*) or by the picture (dall-e-*, and other vendors'): the
rate card says which, and what is counted follows. Source: OpenAI API reference, "Images" (read
2026-11-26).
"""

from gateway.dialects import openai_images_answer, openai_images_call
from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.named_model import prepared
from gateway.dialects.passing import Passing
from gateway.metering.call import Call

EVENT_STREAM = "text/event-stream"


class OpenAIImages:
    """Implements `Dialect`."""

    name = "openai_images"

    def read_call(self, request: Request) -> Call:
        return openai_images_call.read_call(request)

    def prompt_parts(self, call: Call) -> PromptParts:
        return openai_images_call.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return openai_images_call.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            return openai_images_answer.stream_reader(call)
        return openai_images_answer.json_reader(call)

    def usage_filter(self) -> BodyFilter:
        return Passing()
