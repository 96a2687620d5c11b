"""The Gemini dialect (`:generateContent`, `:streamGenerateContent`), on the Gemini API and Vertex.

Only wires the parts together. An alias is spliced into the path, where this format names its
model; the body is never touched. Source: Gemini API reference, "Generating content" (read
2026-11-26).
"""

from gateway.dialects import gemini_answer, gemini_call, gemini_prompt
from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.gemini_path import with_model
from gateway.dialects.passing import Passing
from gateway.metering.call import Call


class GeminiGenerate:
    """Implements `Dialect`."""

    name = "gemini_generate"

    def read_call(self, request: Request) -> Call:
        return gemini_call.read_call(request)

    def prompt_parts(self, call: Call) -> PromptParts:
        return gemini_prompt.prompt_parts(call)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return gemini_prompt.prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        renamed = upstream_model != call.model
        path = with_model(request.path, upstream_model) if renamed else None
        return Prepared(request.body, path=path)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        return gemini_answer.answer_reader(call, content_type=content_type)

    def usage_filter(self) -> BodyFilter:
        return Passing()
