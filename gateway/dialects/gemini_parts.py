"""What the parts of a Gemini content carry: text, media, or something only named.

Used for the prompt of a generation, of an embedding and of cached content alike. Knows no
tokenizer. Source: Gemini API reference, "Content" and "Part" (read 2026-11-26).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.dialects import gemini_media
from gateway.dialects.gemini_fields import objects, text, value
from gateway.dialects.image_size import bytes_at, image_size
from gateway.metering.call import ImageInput

# Media types of what is read as the text it is.
_TEXTS = ("text/", "application/json", "application/xml", "application/x-javascript")


@dataclass(slots=True)
class Media:
    """What contents carry besides text, as it is found. `data_chars`: base64 that is no text.
    `opaque` counts what cannot be seen here."""

    data_chars: int = 0
    images: list[ImageInput] = field(default_factory=list)
    audio_tokens: int = 0
    film_tokens: int = 0
    opaque: int = 0

    @property
    def some(self) -> bool:
        return bool(self.images or self.audio_tokens or self.film_tokens or self.opaque)


def parts_of(contents: object) -> Iterator[Mapping[str, object]]:
    """All parts of these contents, those inside the answers of functions included."""
    for content in objects(contents):
        yield from _with_inner(objects(content.get("parts")))


def _with_inner(parts: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    for part in parts:
        yield part
        answer = value(part, "functionResponse")
        if isinstance(answer, dict):
            yield from objects(answer.get("parts"))


def add_media(
    parts: Iterable[Mapping[str, object]], media: Media, *, model: str, detail: str
) -> None:
    """`detail`: the resolution where a part states none of its own."""
    for part in parts:
        blob = value(part, "inlineData")
        if isinstance(blob, dict):
            _add_blob(blob, part, media, model=model, detail=_detail(part) or detail)
        if value(part, "fileData") is not None:
            media.opaque += 1


def _add_blob(
    blob: Mapping[str, object],
    part: Mapping[str, object],
    media: Media,
    *,
    model: str,
    detail: str,
) -> None:
    kind, data = text(blob, "mimeType").lower(), text(blob, "data")
    if kind.startswith(_TEXTS):
        return
    media.data_chars += len(data)
    if kind.startswith("image/"):
        width, height = image_size(data) or (None, None)
        media.images.append(ImageInput(width=width, height=height, detail=detail))
    elif kind.startswith("audio/"):
        media.audio_tokens += gemini_media.audio_tokens(kind, data)
    elif (tokens := _film_tokens(kind, data, part, model=model, detail=detail)) is not None:
        media.film_tokens += tokens
    else:
        # Documents become pictures of their pages over there.
        media.opaque += 1


def _film_tokens(
    kind: str, data: str, part: Mapping[str, object], *, model: str, detail: str
) -> int | None:
    if not kind.startswith("video/"):
        return None
    metadata = value(part, "videoMetadata")
    fields = metadata if isinstance(metadata, dict) else {}
    return gemini_media.film_tokens(model, data, detail=detail, metadata=fields)


def _detail(part: Mapping[str, object]) -> str:
    asked = value(part, "mediaResolution")
    return gemini_media.resolution(asked.get("level") if isinstance(asked, dict) else asked)


def texts_of(parts: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """The texts as the model reads them; objects by their JSON."""
    for part in parts:
        if said := text(part, "text"):
            yield said
        for name in ("functionCall", "functionResponse", "toolCall", "toolResponse"):
            made = value(part, name)
            if isinstance(made, dict):
                yield text(made, "name")
                yield json_text(value(made, "args") or value(made, "response"))
        code = value(part, "executableCode")
        if isinstance(code, dict):
            yield text(code, "code")
        result = value(part, "codeExecutionResult")
        if isinstance(result, dict):
            yield text(result, "output")
        blob = value(part, "inlineData")
        if isinstance(blob, dict) and text(blob, "mimeType").lower().startswith(_TEXTS):
            yield _decoded(text(blob, "data"))


def json_text(found: object) -> str:
    """Empty for nothing."""
    return "" if found is None else orjson.dumps(found).decode()


def _decoded(data: str) -> str:
    """As it stands where it is no base64."""
    return bytes_at(data, 0, len(data)).decode("utf-8", "replace") or data
