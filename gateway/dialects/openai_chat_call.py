"""A chat completions request: what metering must know of it, and what is refused.

Reads only the fields that decide what a call may cost; all others are the provider's to judge.
Source: OpenAI API reference, "Create chat completion", and the openai package 3.54.0 (read
2026-11-23).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from gateway.dialects.image_size import base64_payload, image_size
from gateway.dialects.json_scan import duplicate, member, spells_letters
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, ImageInput, Terms

MODEL_CHARS_MAX = 256
CHOICES_MAX = 128

# Parsers differ on which of two equal keys counts: for these the provider must not read another
# value than we did.
SINGLE_KEYS = (
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
)
_QUOTED_KEYS = tuple((key, b'"%b"' % key.encode()) for key in SINGLE_KEYS)

# Heard speech is one token per 100 ms ("Managing costs" in OpenAI's realtime guide), and no
# codec accepted here goes below 8 kbit/s (MPEG-2.5 layer III): 100 bytes per token.
AUDIO_BYTES_PER_TOKEN = 100

WITH_MEDIA = Terms(media=True)

_JSON_TYPES = {
    bool: "a boolean",
    int: "an integer",
    float: "a non-integer number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def read_call(body: bytes) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    document = _parsed(body)
    # Most clients write JSON as our own writer does; a text that it writes again to the byte has
    # nothing in it twice, and that is the cheapest way to know.
    if _written(document) != body:
        _refuse_duplicates(body, document)
    stream = _boolean(document, "stream")
    media = _media(document, len(body))
    return Call(
        model=_model(document),
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


def _parsed(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's error carries the whole body; only the place may travel on.
        place = f"line {error.lineno} column {error.colno}"
        raise BadCall(f"The body is not valid UTF-8 JSON (at {place}).") from None
    if not isinstance(document, dict):
        raise BadCall(f"The body must be a JSON object; {_type_of(document)} came.")
    return document


def _written(document: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        # The writer goes 254 levels deep, the parser 1024; no prompt needs more than the former.
        raise BadCall("The body is nested too deep; 250 levels are enough.") from None


def _refuse_duplicates(body: bytes, document: Mapping[str, object]) -> None:
    suspect = spells_letters(body) or any(
        key in document and body.find(quoted, body.find(quoted) + 1) >= 0
        for key, quoted in _QUOTED_KEYS
    )
    twice = duplicate(body, SINGLE_KEYS) if suspect else None
    options = document.get("stream_options")
    if twice is None and options and isinstance(options, dict):
        begin = member(body, "stream_options").start
        twice = duplicate(body, ("include_usage",), start=begin)
    if twice is not None:
        raise BadCall(f"{twice} was given more than once; give it once.", details={"param": twice})


def _model(document: Mapping[str, object]) -> str:
    model = document.get("model")
    if not isinstance(model, str):
        raise _wrong("model", "a string", model)
    if not model or len(model) > MODEL_CHARS_MAX or not model.isprintable():
        raise BadCall(
            f"model must be 1 to {MODEL_CHARS_MAX} printable characters.",
            details={"param": "model"},
        )
    return model


def _boolean(document: Mapping[str, object], name: str) -> bool:
    value = document.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong(name, "a boolean", value)
    return value


def _include_usage(document: Mapping[str, object]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise _wrong("stream_options", "an object", options)
    return _boolean(options, "include_usage")


def _choices(document: Mapping[str, object]) -> int:
    choices = document.get("n")
    if choices is None:
        return 1
    # By type, not isinstance: true is no number here.
    if type(choices) is not int:
        raise _wrong("n", "an integer", choices)
    if not 1 <= choices <= CHOICES_MAX:
        raise BadCall(f"n must be from 1 to {CHOICES_MAX}.", details={"param": "n"})
    return choices


def _output_cap(document: Mapping[str, object]) -> int | None:
    current = _tokens(document, "max_completion_tokens")
    older = _tokens(document, "max_tokens")
    if current is None or older is None:
        return older if current is None else current
    # Which of the two a server obeys is its own business: the hold must cover either.
    return max(current, older)


def _tokens(document: Mapping[str, object], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise _wrong(name, "a non-negative integer", value)
    if value < 0:
        raise BadCall(f"{name} must not be negative.", details={"param": name})
    return value


@dataclass(slots=True)
class _Media:
    """What a request carries besides text, as it is found."""

    text_bytes: int
    images: list[ImageInput] = field(default_factory=list)
    audio_tokens: int = 0
    opaque_inputs: int = 0
    audio: bool = False


def _media(document: Mapping[str, object], text_bytes: int) -> _Media:
    messages = document.get("messages")
    if not isinstance(messages, list):
        raise _wrong("messages", "an array", messages)
    media = _Media(text_bytes)
    for message in messages:
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


def _add_parts(parts: Sequence[object], media: _Media) -> None:
    for part in parts:
        if not isinstance(part, dict):
            continue
        match part.get("type"):
            case "text" | "refusal":
                pass
            case "image_url":
                _add_image(part.get("image_url"), media)
            case "input_audio":
                _add_audio(part.get("input_audio"), media)
            case _:
                # Files become text and images over there; kinds unknown here may be anything.
                media.opaque_inputs += 1


def _add_image(image: object, media: _Media) -> None:
    # Several compatible servers also take the bare URL.
    fields = image if isinstance(image, dict) else {"url": image}
    url, detail = fields.get("url"), fields.get("detail")
    width = height = None
    if isinstance(url, str) and (data := base64_payload(url)) is not None:
        media.text_bytes -= len(data)
        width, height = image_size(data) or (None, None)
    named = detail if isinstance(detail, str) else "auto"
    media.images.append(ImageInput(width=width, height=height, detail=named))


def _add_audio(audio: object, media: _Media) -> None:
    media.audio = True
    data = audio.get("data") if isinstance(audio, dict) else None
    if isinstance(data, str):
        media.text_bytes -= len(data)
        media.audio_tokens += 1 + len(data) * 3 // 4 // AUDIO_BYTES_PER_TOKEN
    else:
        media.opaque_inputs += 1


def _wrong(name: str, expected: str, value: object) -> BadCall:
    came = "nothing" if value is None else _type_of(value)
    return BadCall(f"{name} must be {expected}; {came} came.", details={"param": name})


def _type_of(value: object) -> str:
    return _JSON_TYPES.get(type(value), "another type")
