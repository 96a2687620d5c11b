"""A request of the Responses API: what metering must know of it, and what is refused.

Reads only the fields that decide what a call may cost; all others are the provider's to judge.
`POST /v1/responses/compact` takes a part of the same fields. Source: OpenAI API reference, "Create
a model response", and the openai package 3.57.0 (read 2026-11-24).
"""

from collections.abc import Mapping

from gateway.dialects.json_body import (
    SingleKeys,
    boolean,
    kind_of,
    model_name,
    objects,
    read_object,
    tokens,
    wrong,
)
from gateway.dialects.openai_hosted_tools import hosted, offered
from gateway.dialects.openai_media import Media
from gateway.dialects.openai_usage import service_tier
from gateway.metering.call import TEXT_ONLY, Call, Terms, make_call

SINGLE_KEYS = SingleKeys(
    (
        "model",
        "input",
        "instructions",
        "stream",
        "background",
        "max_output_tokens",
        "max_tool_calls",
        "tools",
        "tool_choice",
        "previous_response_id",
        "conversation",
        "prompt",
        "service_tier",
    )
)
# What stands for text that is kept over there, of any length.
NAMED_TEXTS = ("previous_response_id", "conversation", "prompt")
# A hosted tool brings the model round again, with all there was before as its input.
TURNS_MAX = 128


def read_call(body: bytes) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    document = read_object(body, SINGLE_KEYS)
    given = document.get("input")
    if given is not None and not isinstance(given, (str, list)):
        raise wrong("input", "a string or an array", given)
    tokens(document, "max_tool_calls")
    media = _media(document, len(body))
    background = boolean(document, "background")
    return make_call(
        model=model_name(document),
        stream=boolean(document, "stream"),
        # It goes on over there whoever listens, and is billed to its end.
        whole=background,
        deferred=background,
        max_output_tokens=tokens(document, "max_output_tokens"),
        wants_usage=True,
        text_bytes=media.text_bytes,
        images=tuple(media.images),
        audio_tokens=media.audio_tokens,
        opaque_inputs=media.opaque_inputs,
        turns=TURNS_MAX if hosted(document) else 1,
        terms=_terms(document, media),
        document=document,
    )


def _terms(document: Mapping[str, object], media: Media) -> Terms:
    terms = Terms(media=media.dear, pieces=offered(document), service_tier=service_tier(document))
    return TEXT_ONLY if terms == TEXT_ONLY else terms


def _media(document: Mapping[str, object], text_bytes: int) -> Media:
    media = Media(text_bytes)
    for name in NAMED_TEXTS:
        if document.get(name) is not None:
            media.opaque_inputs += 1
    for item in objects(document.get("input")):
        _add_item(item, media)
    return media


def _add_item(item: Mapping[str, object], media: Media) -> None:
    match kind_of(item):
        case "item_reference":
            media.opaque_inputs += 1
        case "image_generation_call":
            _add_picture_made(item, media)
        case _:
            # A message's content, or what a tool answered.
            for part in (*objects(item.get("content")), *objects(item.get("output"))):
                _add_part(part, media)
            if isinstance(output := item.get("output"), dict):
                _add_part(output, media)


def _add_part(part: Mapping[str, object], media: Media) -> None:
    match kind_of(part):
        case "input_image" | "computer_screenshot":
            media.add_image(part.get("image_url"), detail=part.get("detail"))
        case "input_audio":
            media.add_audio(part.get("input_audio"))
        case kind if kind.startswith("input_") and kind != "input_text":
            # Files become text and images over there; kinds unknown here may be anything.
            media.opaque_inputs += 1
        case _:
            pass


def _add_picture_made(item: Mapping[str, object], media: Media) -> None:
    """An earlier picture goes in again, from its data or, named by its id, from over there."""
    data = item.get("result")
    media.add_image(
        f"data:image/png;base64,{data}" if isinstance(data, str) else None, detail="auto"
    )
