"""A chat completions request: what metering must know of it, and what is refused.

Reads only the fields that decide what a call may cost; all others are the provider's to judge.
Source: OpenAI API reference, "Create chat completion", and the openai package 3.54.0 (read
2026-11-23).
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import Request
from gateway.dialects.json_body import (
    SingleKeys,
    array,
    boolean,
    read_object,
    tokens,
    wrong,
)
from gateway.dialects.named_model import asked_model
from gateway.dialects.openai_chat_search import offered_searches
from gateway.dialects.openai_media import Media
from gateway.dialects.openai_stream_options import include_usage
from gateway.dialects.openai_usage import service_tier
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, Terms, make_call

CHOICES_MAX = 128

SINGLE_KEYS = SingleKeys(
    (
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
    ),
    inside={"stream_options": ("include_usage",)},
)

# What may make an answer dearer than text.
DEAR_MODALITIES = ("audio", "image")


def read_call(request: Request) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    body = request.body
    document = read_object(body, SINGLE_KEYS)
    stream = boolean(document, "stream")
    model = asked_model(request, document)
    media = _media(document, len(body))
    return make_call(
        model=model,
        stream=stream,
        choices=answers(document, "n") or 1,
        max_output_tokens=_output_cap(document),
        wants_usage=include_usage(document) and stream,
        text_bytes=media.text_bytes,
        images=tuple(media.images),
        audio_tokens=media.audio_tokens,
        opaque_inputs=media.opaque_inputs,
        terms=_terms(document, model=model, media=media.dear),
        document=document,
    )


def answers(document: Mapping[str, object], name: str) -> int | None:
    """A number of answers asked for; None when missing or null."""
    count = document.get(name)
    if count is None:
        return None
    # By type, not isinstance: true is no number here.
    if type(count) is not int:
        raise wrong(name, "an integer", count)
    if not 1 <= count <= CHOICES_MAX:
        raise BadCall(f"{name} must be from 1 to {CHOICES_MAX}.", details={"param": name})
    return count


def _output_cap(document: Mapping[str, object]) -> int | None:
    current = tokens(document, "max_completion_tokens")
    older = tokens(document, "max_tokens")
    if current is None or older is None:
        return older if current is None else current
    # Which of the two a server obeys is its own business: the hold must cover either.
    return max(current, older)


def _media(document: Mapping[str, object], text_bytes: int) -> Media:
    media = Media(text_bytes)
    for message in array(document, "messages"):
        if isinstance(message, dict):
            content = message.get("content")
            if isinstance(content, list):
                _add_parts(content, media)
            if message.get("audio") is not None:
                # An earlier spoken answer, named by its id.
                media.opaque_inputs += 1
                media.dear = True
    modalities = document.get("modalities")
    if isinstance(modalities, list) and any(name in modalities for name in DEAR_MODALITIES):
        media.dear = True
    return media


def _terms(document: Mapping[str, object], *, model: str, media: bool) -> Terms:
    tier, pieces = service_tier(document), offered_searches(document, model)
    if not tier and not pieces and not media:
        return TEXT_ONLY
    return Terms(media=media, pieces=pieces, service_tier=tier)


def _add_parts(parts: Sequence[object], media: Media) -> None:
    for part in parts:
        if not isinstance(part, dict):
            continue
        match part.get("type"):
            case "text" | "refusal":
                pass
            case "image_url":
                image = part.get("image_url")
                # Several compatible servers also take the bare URL.
                fields = image if isinstance(image, dict) else {"url": image}
                media.add_image(fields.get("url"), detail=fields.get("detail"))
            case "input_audio":
                media.add_audio(part.get("input_audio"))
            case _:
                # Files become text and images over there; kinds unknown here may be anything.
                media.opaque_inputs += 1
