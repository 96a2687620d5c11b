"""Gemini's embeddings (`:embedContent`, `:batchEmbedContents`), and those of before
(`:embedText`, `:batchEmbedText`).

A request has one content or a list of requests with one each; each is read by itself. The model
stands in the path, and in a list once more in each request, where an alias has to be spliced as
well. Newer models report what they read, older ones nothing: then our count stands. Source: Gemini
API reference, "Embeddings"; Vertex AI reference, "EmbedContent" (read 2026-11-26).
"""

from collections.abc import Mapping, Sequence

import orjson

from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.gemini_call import check_query, path_model
from gateway.dialects.gemini_fields import objects, refuse_two_spellings, single_keys, text
from gateway.dialects.gemini_media import image_tokens
from gateway.dialects.gemini_parts import Media, add_media, parts_of, texts_of
from gateway.dialects.gemini_path import bare_model, resource_name, with_model
from gateway.dialects.gemini_usage import read_usage
from gateway.dialects.json_body import read_object
from gateway.dialects.json_ends import EndsReader, JsonEnds
from gateway.dialects.json_scan import Member, elements, members, replaced_each
from gateway.dialects.passing import Passing
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, Terms

SINGLE = ("content", "requests", "model", "text", "texts")
_SINGLE_KEYS = single_keys(SINGLE, {})


class GeminiEmbed:
    """Implements `Dialect`."""

    name = "gemini_embed"

    def read_call(self, request: Request) -> Call:
        check_query(request.query)
        document = read_object(request.body, _SINGLE_KEYS)
        refuse_two_spellings(document, SINGLE)
        model = path_model(request)
        asked = _requests(document)
        media = Media()
        for each in asked:
            _refuse_another_model(each, model)
            add_media(parts_of(each.get("content")), media, model=model, detail="")
        return Call(
            model=model,
            max_output_tokens=0,
            prompts=max(1, len(asked), len(_texts(document))),
            text_bytes=len(request.body) - media.data_chars,
            images=tuple(media.images),
            audio_tokens=media.audio_tokens + media.film_tokens,
            opaque_inputs=media.opaque,
            terms=Terms(media=True) if media.some else TEXT_ONLY,
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        media = Media()
        texts = _texts(call.document)
        for each in _requests(call.document):
            parts = list(parts_of(each.get("content")))
            add_media(parts, media, model=call.model, detail="")
            texts += [text(each, "title"), *texts_of(parts)]
        return PromptParts(
            texts=[each for each in texts if each],
            audio_tokens=media.audio_tokens,
            image_tokens=media.film_tokens
            + sum(image_tokens(call.model, image) for image in media.images),
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        """A token is at least a byte; each input is cut to the context, or refused."""
        bound = call.text_bytes + call.audio_tokens + call.opaque_inputs * context_tokens
        bound += sum(image_tokens(call.model, image) for image in call.images)
        return min(bound, call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model == call.model:
            return Prepared(request.body)
        return Prepared(
            _renamed(request.body, upstream_model), path=with_model(request.path, upstream_model)
        )

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return EndsReader(_reported)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _reported(answer: JsonEnds) -> Reported | None:
    return read_usage(answer.member("usageMetadata"))


def _requests(document: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """What is embedded one by one: the list, or the one request that the body is."""
    listed = document.get("requests")
    return [document] if listed is None else objects(listed)


def _texts(document: Mapping[str, object]) -> list[str]:
    """Of the methods of before."""
    listed = document.get("texts")
    named = [text(each, "text") for each in _requests(document)]
    texts = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return [*texts, *(each for each in named if each)]


def _refuse_another_model(asked: Mapping[str, object], model: str) -> None:
    named = asked.get("model")
    if isinstance(named, str) and bare_model(named) != model:
        raise BadCall(
            "The model in the body must be the one in the path.", details={"param": "model"}
        )


def _renamed(body: bytes, upstream_model: str) -> bytes:
    """The same bytes, with another model wherever the request or those in it name one."""
    named: list[Member] = []
    for found in members(body):
        if found.key == "model":
            named.append(found)
        elif found.key == "requests":
            named += _models_in(body, found)
    return replaced_each(body, named, orjson.dumps(resource_name(upstream_model)))


def _models_in(body: bytes, listed: Member) -> list[Member]:
    """`listed`: an array, or the one object that stands in its place."""
    opening = body[listed.start : listed.start + 1]
    if opening not in (b"{", b"["):
        return []
    places = elements(body, listed.start) if opening == b"[" else [(listed.start, listed.end)]
    return [
        found
        for start, _ in places
        if body[start : start + 1] == b"{"
        for found in members(body, start)
        if found.key == "model"
    ]
