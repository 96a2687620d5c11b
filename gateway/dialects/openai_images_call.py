"""A request for pictures: how many, how large, and what they are to be made from.

A JSON object (generations; edits of pictures named by URL or id) or a form (edits, variations),
with the same fields. Source: OpenAI API reference, "Create image", "Create image edit", "Create
image variation", and the openai package 3.57.0 (read 2026-11-26).
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.dialects.base import PromptParts, Request
from gateway.dialects.forms import Form, is_form, read_form
from gateway.dialects.image_size import base64_payload, image_size
from gateway.dialects.json_body import SingleKeys, boolean, read_object, wrong
from gateway.dialects.named_model import asked_model
from gateway.errors import BadCall
from gateway.metering.call import ByPiece, Call, ImageInput, Terms, make_call
from gateway.metering.made_images import PREVIEW_TOKENS, given_image_tokens, made_image_tokens

SINGLE_KEYS = SingleKeys(
    (
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "stream",
        "partial_images",
        "output_format",
        "frame_count",
    )
)
# Variations were made by this model only.
VARIATIONS_MODEL = "dall-e-2"
VARIATIONS = "/images/variations"

PICTURES_MAX = 128
PREVIEWS_MAX = 3
FRAMES_MAX, FRAMES_DEFAULT = 16, 9
# A model that writes SVG thinks first; the vendor names no bound.
SVG_TOKENS = 32_768
# The frame around a prompt is not published; measured by users at about ten.
FRAMING_TOKENS = 16
# Dimensions stand in a file's beginning, behind its metadata.
HEADER_BYTES = 256 * 1024
WITH_MEDIA = Terms(media=True)
# The names by which what is sold by the picture is priced, and what is meant without a word.
STANDARD_QUALITY, STANDARD_SIZE = "standard", "1024x1024"

_WORD = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)
_GIVEN = re.compile(r"(image|images|mask|markup)(\[[0-9]{0,2}\])?", re.ASCII)


class Fields(Protocol):
    """The fields of either body. Each raises BadCall for a value of another kind."""

    def text(self, name: str) -> str | None: ...

    def boolean(self, name: str) -> bool: ...

    def number(self, name: str, *, least: int, most: int) -> int | None: ...


@dataclass(frozen=True, slots=True)
class JsonFields:
    document: Mapping[str, object]

    def text(self, name: str) -> str | None:
        value = self.document.get(name)
        if value is not None and not isinstance(value, str):
            raise wrong(name, "a string", value)
        return value

    def boolean(self, name: str) -> bool:
        return boolean(self.document, name)

    def number(self, name: str, *, least: int, most: int) -> int | None:
        value = self.document.get(name)
        # By type, not isinstance: true is no number here.
        if value is not None and type(value) is not int:
            raise wrong(name, "an integer", value)
        if value is not None and not least <= value <= most:
            raise BadCall(f"{name} must be from {least} to {most}.", details={"param": name})
        return value


def read_call(request: Request) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    if is_form(request.content_type):
        form = read_form(request.body, request.content_type)
        model = request.segments.get("model") or _form_model(form, request.path)
        return _call(model, form, tuple(_given_in_form(form)))
    document = read_object(request.body, SINGLE_KEYS)
    fields = JsonFields(document)
    return _call(asked_model(request, document), fields, tuple(_given_in_json(fields)))


def _form_model(form: Form, path: str) -> str:
    if path.endswith(VARIATIONS) and form.one("model") is None:
        return VARIATIONS_MODEL
    return form.model()


def _call(model: str, fields: Fields, given: tuple[ImageInput, ...]) -> Call:
    prompt = fields.text("prompt") or ""
    count = fields.number("n", least=1, most=PICTURES_MAX) or 1
    quality, size = _word(fields, "quality"), _word(fields, "size")
    previews = fields.number("partial_images", least=0, most=PREVIEWS_MAX) or 0
    kind = f"image.{quality or STANDARD_QUALITY}.{size or STANDARD_SIZE}"
    frames, svg = _frames(fields), SVG_TOKENS if fields.text("output_format") == "svg" else 0
    picture = made_image_tokens(model, quality=quality, size=size)
    return make_call(
        model=model,
        stream=fields.boolean("stream"),
        whole=True,
        choices=count,
        max_output_tokens=picture * frames + PREVIEW_TOKENS * previews + svg,
        text_bytes=len(prompt.encode("utf-8", "surrogatepass")) + FRAMING_TOKENS + svg,
        images=given,
        terms=WITH_MEDIA,
        by_piece=ByPiece(most=((kind, count),)),
        document={"prompt": prompt, "quality": quality, "size": size, "frames": frames},
    )


def prompt_bound_tokens(call: Call, *, context_tokens: int) -> int:
    return min(call.text_bytes + _given_tokens(call), context_tokens)


def prompt_parts(call: Call) -> PromptParts:
    if not call.counts_tokens:
        return PromptParts(texts=())
    return PromptParts(
        texts=[str(call.document["prompt"])],
        fixed_tokens=FRAMING_TOKENS,
        image_tokens=_given_tokens(call),
    )


def _given_tokens(call: Call) -> int:
    return sum(
        given_image_tokens(call.model, width=each.width, height=each.height, detail=each.detail)
        for each in call.images
    )


def _frames(fields: Fields) -> int:
    """Pictures in a moving one."""
    frames = fields.number("frame_count", least=1, most=FRAMES_MAX)
    moving = fields.text("output_format") == "gif"
    return frames or (FRAMES_DEFAULT if moving else 1)


def _word(fields: Fields, name: str) -> str:
    """A value that becomes part of a piece's name; empty when it is left to the model."""
    word = fields.text(name)
    if word is not None and word != "" and not _WORD.fullmatch(word):
        raise BadCall(f"{name} must be a word such as 1024x1024.", details={"param": name})
    return "" if word in (None, "auto") else word


def _given_in_form(form: Form) -> Iterator[ImageInput]:
    fidelity = form.text("input_fidelity") or "auto"
    for field in form.fields:
        if field.is_file or _GIVEN.fullmatch(field.name):
            head = form.body[field.start : min(field.end, field.start + HEADER_BYTES)]
            yield _given(base64.b64encode(head).decode(), fidelity)


def _given_in_json(fields: JsonFields) -> Iterator[ImageInput]:
    fidelity = fields.text("input_fidelity") or "auto"
    for name in ("image", "images", "mask"):
        value = fields.document.get(name)
        for each in value if isinstance(value, list) else [value]:
            url = each.get("image_url") if isinstance(each, dict) else each
            if isinstance(url, str):
                yield _given(base64_payload(url) or "", fidelity)
            elif each is not None:
                yield _given("", fidelity)


def _given(data: str, fidelity: str) -> ImageInput:
    width, height = image_size(data) or (None, None)
    return ImageInput(width=width, height=height, detail=fidelity)
