"""The OpenAI chat completions dialect (`POST /v1/chat/completions`), also spoken by vLLM,
llama.cpp, Ollama, OpenRouter, DeepSeek, Groq, Mistral and Azure.

Only wires the parts together and does what needs no file of its own: who calls, and the splice.
Source: OpenAI API reference, "Create chat completion" (read 2026-11-23).
"""

from collections.abc import Mapping, Sequence

import orjson

from gateway.dialects import openai_chat_call, openai_chat_prompt, openai_errors, openai_limits
from gateway.dialects.base import AnswerReader, BodyFilter, PreparedBody, PromptParts, Rendered
from gateway.dialects.json_scan import Member, member, members
from gateway.dialects.openai_chat_answer import JsonReader, StreamReader
from gateway.dialects.openai_chat_filter import UsageFilter
from gateway.errors import GatewayError
from gateway.metering.call import Call
from gateway.metering.limits import Charge

EVENT_STREAM = "text/event-stream"


class OpenAIChat:
    """Implements `Dialect`. `quota_status`: the status of a call refused because credit is gone;
    None means this API's own, 429."""

    name = "openai_chat"

    def __init__(self, *, quota_status: int | None = None) -> None:
        self._quota_status = quota_status

    def presented_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """None as well when two different keys are presented: which one pays is not ours to
        guess."""
        scheme, _, credentials = headers.get("Authorization", "").strip().partition(" ")
        presented = {
            credentials.strip() if scheme.lower() == "bearer" else "",
            headers.get("x-api-key", "").strip(),
            headers.get("api-key", "").strip(),
            query.get("key", "").strip(),
        }
        presented.discard("")
        return presented.pop() if len(presented) == 1 else None

    def read_call(self, body: bytes) -> Call:
        return openai_chat_call.read_call(body)

    def prompt_parts(self, call: Call) -> PromptParts:
        return openai_chat_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return openai_chat_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare_body(self, call: Call, body: bytes, *, upstream_model: str) -> PreparedBody:
        if upstream_model != call.model:
            body = _replaced(body, member(body, "model"), orjson.dumps(upstream_model))
        hide_usage = call.stream and not call.wants_usage
        return PreparedBody(_asking_usage(body, call) if hide_usage else body, hide_usage)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type.partition(";")[0].strip().lower() == EVENT_STREAM:
            return StreamReader(call)
        return JsonReader(call)

    def usage_filter(self) -> BodyFilter:
        return UsageFilter()

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> list[tuple[bytes, bytes]]:
        return openai_limits.limit_headers(charges, rooms, now_ms=now_ms)

    def render_error(self, error: GatewayError) -> Rendered:
        return openai_errors.render_error(error, quota_status=self._quota_status)


def _asking_usage(body: bytes, call: Call) -> bytes:
    """The body with `stream_options.include_usage` true and every other byte as it was."""
    if "stream_options" not in call.document:
        return _inserted(body, body.index(b"{") + 1, b'"stream_options":{"include_usage":true},')
    options = member(body, "stream_options")
    if not call.document["stream_options"]:  # null or empty
        return _replaced(body, options, b'{"include_usage":true}')
    for option in members(body, options.start):
        if option.key == "include_usage":
            return _replaced(body, option, b"true")
    return _inserted(body, options.start + 1, b'"include_usage":true,')


def _replaced(body: bytes, value: Member, new: bytes) -> bytes:
    return b"%b%b%b" % (body[: value.start], new, body[value.end :])


def _inserted(body: bytes, at: int, new: bytes) -> bytes:
    return b"%b%b%b" % (body[:at], new, body[at:])
