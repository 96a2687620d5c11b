"""The OpenAI moderations dialect (`POST /v1/moderations`).

OpenAI bills nothing for it and reports no usage: what is judged is counted here, and charged at
whatever the rate card says. Source: OpenAI API reference, "Create moderation" (read 2026-11-26).
"""

from collections.abc import Iterator, Mapping

from gateway.dialects import embeddings_usage
from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.image_size import base64_payload, image_size
from gateway.dialects.json_body import (
    SingleKeys,
    model_name,
    objects,
    read_object,
    wrong,
)
from gateway.dialects.json_ends import EndsReader, JsonEnds
from gateway.dialects.named_model import prepared_unnamed
from gateway.dialects.passing import Passing
from gateway.metering.call import Call, ImageInput
from gateway.metering.images import image_tokens

SINGLE_KEYS = SingleKeys(("model", "input"))
# What OpenAI takes when no model is named.
DEFAULT_MODEL = "omni-moderation-latest"


class OpenAIModerations:
    """Implements `Dialect`."""

    name = "openai_moderations"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        judged = document.get("input")
        if not isinstance(judged, str | list):
            raise wrong("input", "a string or an array", judged)
        urls = [url for each in objects(judged) if isinstance(url := _url(each), str)]
        payloads = [data for url in urls if (data := base64_payload(url)) is not None]
        return Call(
            model=DEFAULT_MODEL if document.get("model") is None else model_name(document),
            max_output_tokens=0,
            prompts=max(1, len(judged)) if isinstance(judged, list) else 1,
            text_bytes=len(request.body) - sum(map(len, payloads)),
            images=tuple(map(_image, urls)),
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        texts = list(_texts(call.document.get("input")))
        return PromptParts(texts=texts, fixed_tokens=_image_tokens(call))

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes + _image_tokens(call), call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared_unnamed(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return EndsReader(_reported)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _reported(answer: JsonEnds) -> Reported | None:
    """OpenAI tells nothing; a compatible server may."""
    return embeddings_usage.read_usage(answer.member("usage"))


def _texts(judged: object) -> Iterator[str]:
    for each in judged if isinstance(judged, list) else [judged]:
        text = each.get("text") if isinstance(each, dict) else each
        if isinstance(text, str):
            yield text


def _url(part: Mapping[str, object]) -> object:
    image = part.get("image_url")
    return image.get("url") if isinstance(image, dict) else image


def _image(url: str) -> ImageInput:
    data = base64_payload(url)
    width, height = (image_size(data) if data is not None else None) or (None, None)
    return ImageInput(width=width, height=height, detail="auto")


def _image_tokens(call: Call) -> int:
    return sum(image_tokens(call.model, image) for image in call.images)
