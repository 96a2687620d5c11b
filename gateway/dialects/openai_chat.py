"""The OpenAI chat completions dialect (`POST /v1/chat/completions`), also spoken by vLLM,
llama.cpp, Ollama, OpenRouter, DeepSeek, Groq, Mistral and Azure.

Only wires the parts together. Source: OpenAI API reference, "Create chat completion" (read
2026-11-23).
"""

from gateway.dialects import openai_chat_call, openai_chat_prompt
from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.named_model import prepared
from gateway.dialects.openai_chat_answer import json_reader, stream_reader
from gateway.dialects.openai_chat_filter import UsageFilter
from gateway.dialects.openai_stream_options import asking_usage
from gateway.metering.call import Call

EVENT_STREAM = "text/event-stream"


class OpenAIChat:
    """Implements `Dialect`."""

    name = "openai_chat"

    def read_call(self, request: Request) -> Call:
        return openai_chat_call.read_call(request)

    def prompt_parts(self, call: Call) -> PromptParts:
        return openai_chat_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return openai_chat_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return asking_usage(prepared(call, request, upstream_model=upstream_model), call)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        return stream_reader(call) if content_type == EVENT_STREAM else json_reader(call)

    def usage_filter(self) -> BodyFilter:
        return UsageFilter()
