"""The OpenAI embeddings dialect (`POST /v1/embeddings`), also spoken by vLLM, Ollama, Mistral,
Voyage AI and Jina AI.

A request is texts, or tokens already, or (Jina) objects with a text or a picture each; each is
read by itself. Nothing is put out that is counted in tokens. Source: OpenAI API reference, "Create
embeddings" (read 2026-11-26).
"""

from collections.abc import Sequence

from gateway.dialects import embeddings_usage
from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.json_ends import EndsReader, JsonEnds
from gateway.dialects.named_model import asked_model, prepared
from gateway.dialects.passing import Passing
from gateway.metering.call import Call, make_call

SINGLE_KEYS = SingleKeys(("model", "input"))
EXPECTED = "a string, an array of strings, or an array of tokens"


class OpenAIEmbeddings:
    """Implements `Dialect`."""

    name = "openai_embeddings"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        inputs = _inputs(document.get("input"))
        return make_call(
            model=asked_model(request, document),
            max_output_tokens=0,
            prompts=max(1, len(inputs)),
            text_bytes=len(request.body),
            opaque_inputs=sum(_opaque(each) for each in inputs),
            document={"input": inputs},
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        inputs = _inputs(call.document.get("input"))
        return PromptParts(
            texts=[text for each in inputs if isinstance(text := _text(each), str)],
            fixed_tokens=sum(len(each) for each in inputs if isinstance(each, list)),
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        """A token is at least a byte; each input is cut to the context, or refused."""
        bound = call.text_bytes + call.opaque_inputs * context_tokens
        return min(bound, call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return EndsReader(_reported)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _reported(answer: JsonEnds) -> Reported | None:
    return embeddings_usage.read_usage(answer.member("usage"))


def _inputs(value: object) -> Sequence[object]:
    """What is embedded, one by one: texts, lists of tokens, objects."""
    if isinstance(value, str | dict):
        return [value]
    if not isinstance(value, list):
        raise wrong("input", EXPECTED, value)
    if all(type(each) is int for each in value):
        return [value]
    for each in value:
        if not isinstance(each, str | list | dict):
            raise wrong("input[]", "a string or an array of tokens", each)
    return value


def _text(each: object) -> object:
    return each.get("text") if isinstance(each, dict) else each


def _opaque(each: object) -> bool:
    """A picture, or whatever else is no text: it may fill the context."""
    return isinstance(each, dict) and not isinstance(each.get("text"), str)
