"""The Anthropic messages dialect (`POST /v1/messages`), also spoken by OpenRouter, LiteLLM, vLLM,
DeepSeek and others beside OpenAI's.

Only wires the parts together. Source: Anthropic API reference, "Create a message" (read
2026-11-23).
"""

from gateway.dialects import anthropic_answer, anthropic_call, anthropic_prompt
from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.json_body import with_model
from gateway.dialects.passing import Passing
from gateway.metering.call import Call

EVENT_STREAM = "text/event-stream"


class AnthropicMessages:
    """Implements `Dialect`."""

    name = "anthropic_messages"

    def read_call(self, request: Request) -> Call:
        return anthropic_call.read_call(request.body)

    def prompt_parts(self, call: Call) -> PromptParts:
        return anthropic_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return anthropic_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        body = request.body
        return Prepared(body if upstream_model == call.model else with_model(body, upstream_model))

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            return anthropic_answer.stream_reader(call)
        return anthropic_answer.json_reader()

    def usage_filter(self) -> BodyFilter:
        return Passing()
