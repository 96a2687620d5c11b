"""The OpenAI completions dialect (`POST /v1/completions`): prompts are continued, as before chat.

Also spoken by vLLM, llama.cpp, Ollama, Together, DeepSeek and Azure. Usage, its event and what
ends a stream are those of chat. Source: OpenAI API reference, "Create completion", and the openai
package 3.57.0 (read 2026-11-25).
"""

from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.named_model import prepared
from gateway.dialects.openai_chat_answer import (
    ChoicesClosing,
    ChunkForm,
    last_chunk,
    last_members,
)
from gateway.dialects.openai_chat_filter import UsageFilter
from gateway.dialects.openai_completions_call import (
    bound_tokens,
    parts_of,
    read_call,
    shown_choices,
)
from gateway.dialects.openai_completions_story import CompletionStory
from gateway.dialects.openai_stream_options import asking_usage
from gateway.dialects.story_readers import JsonReader, StreamReader
from gateway.metering.call import Call

EVENT_STREAM = "text/event-stream"
COMPLETION = ChunkForm("text_completion", {"text": ""})


class OpenAICompletions:
    """Implements `Dialect`."""

    name = "openai_completions"

    def read_call(self, request: Request) -> Call:
        return read_call(request)

    def prompt_parts(self, call: Call) -> PromptParts:
        return parts_of(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return asking_usage(prepared(call, request, upstream_model=upstream_model), call)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            closing = ChoicesClosing(call.model, shown_choices(call.document), COMPLETION)
            return StreamReader(CompletionStory(call), closing, glance=last_chunk)

        def tell(document: object) -> CompletionStory:
            story = CompletionStory(call)
            story.add(document)
            return story

        return JsonReader(tell, glance=last_members)

    def usage_filter(self) -> BodyFilter:
        return UsageFilter()
