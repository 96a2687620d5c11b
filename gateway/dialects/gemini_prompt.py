"""How large a Gemini prompt is: a cheap bound from its bytes, and its parts for an exact count.

Turns and roles cost nothing that countTokens shows; functions are counted by their JSON, for what
the model sees of them is not published. A schema for the answer costs nothing: it only holds the
answer to it. Thought signatures are read as the thoughts
they stand for, which cannot be known: only the bound covers them. Knows no tokenizer.
Source: "Understand and count tokens" in the Gemini API guide (read 2026-11-26).
"""

from gateway.dialects.base import PromptParts
from gateway.dialects.gemini_call import config_of, media_of
from gateway.dialects.gemini_fields import objects, value
from gateway.dialects.gemini_media import image_tokens
from gateway.dialects.gemini_parts import json_text, parts_of, texts_of
from gateway.metering.call import Call

# The beginning of the prompt: countTokens of the guide's example says 10, its usage 11.
PROMPT_TOKENS = 1


def prompt_bound_tokens(call: Call, *, context_tokens: int) -> int:
    """A token is at least a byte; a prompt beyond the context is refused by the provider."""
    bound = call.text_bytes + call.audio_tokens + call.opaque_inputs * context_tokens
    bound += sum(image_tokens(call.model, image) for image in call.images)
    return min(bound, context_tokens)


def prompt_parts(call: Call) -> PromptParts:
    """Texts as the model reads them. Opaque inputs are in no part: they cannot be counted."""
    document = call.document
    config = config_of(document)
    media = media_of(document, config, model=call.model)
    texts = [
        text
        for name in ("systemInstruction", "contents")
        for text in texts_of(parts_of(value(document, name)))
    ]
    for tool in objects(value(document, "tools")):
        texts += map(json_text, objects(value(tool, "functionDeclarations")))
    return PromptParts(
        texts=[text for text in texts if text],
        fixed_tokens=PROMPT_TOKENS,
        audio_tokens=media.audio_tokens,
        image_tokens=media.film_tokens
        + sum(image_tokens(call.model, image) for image in media.images),
    )
