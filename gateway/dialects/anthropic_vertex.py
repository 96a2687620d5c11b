"""Anthropic's messages at Google's Vertex AI (`.../publishers/anthropic/models/{model}:rawPredict`
and `:streamRawPredict`).

The model stands in the path, the rest is Anthropic's: body, events and usage. Keys, errors and
limits are those of the API whose paths these are. Source: Anthropic guide "Claude on Vertex AI";
anthropic package 2.14.0, `lib/vertex/_client.py` (read 2026-11-26).
"""

from gateway.dialects.anthropic_call import SINGLE_KEYS, call_of
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_path import model_of, verb_of, with_model
from gateway.dialects.json_body import boolean, read_object
from gateway.metering.call import Call

STREAMED = "streamRawPredict"


class AnthropicVertex(AnthropicMessages):
    """Implements `Dialect`."""

    name = "anthropic_vertex"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        asked = boolean(document, "stream")
        return call_of(
            document,
            model=model_of(request.path),
            stream=asked or verb_of(request.path) == STREAMED,
            size=len(request.body),
        )

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model == call.model:
            return Prepared(request.body)
        return Prepared(request.body, path=with_model(request.path, upstream_model))
