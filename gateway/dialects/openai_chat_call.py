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
from gateway.dialects.openai_media import Media
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, Terms

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

WITH_MEDIA = Terms(media=True)


def read_call(request: Request) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    body = request.body
    document = read_object(body, SINGLE_KEYS)
    stream = boolean(document, "stream")
    media = _media(document, len(body))
    return Call(
        model=asked_model(request, document),
        stream=stream,
        choices=_choices(document),
        max_output_tokens=_output_cap(document),
        wants_usage=_include_usage(document) and stream,
        text_bytes=media.text_bytes,
        images=tuple(media.images),
        audio_tokens=media.audio_tokens,
        opaque_inputs=media.opaque_inputs,
        terms=WITH_MEDIA if media.audio else TEXT_ONLY,
        document=document,
    )


def _include_usage(document: Mapping[str, object]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise wrong("stream_options", "an object", options)
    return boolean(options, "include_usage")


def _choices(document: Mapping[str, object]) -> int:
    choices = document.get("n")
    if choices is None:
        return 1
    # By type, not isinstance: true is no number here.
    if type(choices) is not int:
        raise wrong("n", "an integer", choices)
    if not 1 <= choices <= CHOICES_MAX:
        raise BadCall(f"n must be from 1 to {CHOICES_MAX}.", details={"param": "n"})
    return choices


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
                media.audio = True
    modalities = document.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        media.audio = True
    return media


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
