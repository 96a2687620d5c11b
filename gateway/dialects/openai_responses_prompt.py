"""How large the prompt of a Responses call is: a cheap bound from its bytes, and its parts for an
exact count.

Framing as in chat completions (`openai_chat_prompt.py`); tools are `openai_tools.py`'s business.
What hosted tools bring in while the answer is made is in neither. Knows no tokenizer.
"""

from collections.abc import Iterator, Mapping

import orjson

from gateway.dialects.base import PromptParts
from gateway.dialects.json_body import kind_of, objects
from gateway.dialects.openai_chat_prompt import (
    MESSAGE_TOKENS,
    PRIMING_TOKENS,
    SCHEMA_TOKENS,
    TOOL_CALL_TOKENS,
)
from gateway.dialects.openai_hosted_tools import tools_of
from gateway.dialects.openai_tools import add_schema, add_tools
from gateway.metering.call import Call
from gateway.metering.images import image_tokens

# Reasoning that is carried along sealed: base64 of text at some four bytes a token.
SEALED_CHARS_PER_TOKEN = 4

# What of an item the model reads; of the kinds not listed, all of it.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "message": ("role", "content"),
    "": ("role", "content"),
    "reasoning": ("summary", "content"),
    "function_call": ("name", "arguments"),
    "custom_tool_call": ("name", "input"),
    "mcp_call": ("name", "arguments", "output"),
    "function_call_output": ("output",),
    "custom_tool_call_output": ("output",),
    "computer_call_output": (),
    "image_generation_call": ("revised_prompt",),
    "compaction": (),
    "item_reference": (),
    "additional_tools": (),
}


def prompt_bound_tokens(call: Call, *, context_tokens: int) -> int:
    """A token is at least a byte; a prompt beyond the context is refused by the provider."""
    bound = call.text_bytes + call.audio_tokens + call.opaque_inputs * context_tokens
    if call.images:
        bound += _image_tokens(call)
    return min(bound, context_tokens)


def prompt_parts(call: Call) -> PromptParts:
    """Texts as the model reads them. Opaque inputs are in no part: they cannot be counted."""
    document = call.document
    texts: list[str] = []
    fixed = PRIMING_TOKENS + _image_tokens(call)
    for name, role in (("instructions", "developer"), ("input", "user")):
        if isinstance(text := document.get(name), str):
            texts += (role, text)
            fixed += MESSAGE_TOKENS
    for item in objects(document.get("input")):
        fixed += _add_item(item, texts)
    fixed += add_tools([_as_in_chat(tool) for tool in tools_of(document)], texts)
    schema = schema_of(document)
    if schema is not None:
        fixed += SCHEMA_TOKENS + add_schema(schema, texts)
    # Of a decision: each question is shown to the model with its choices.
    texts += [orjson.dumps(question).decode() for question in objects(document.get("questions"))]
    return PromptParts(texts=texts, fixed_tokens=fixed, audio_tokens=call.audio_tokens)


def _image_tokens(call: Call) -> int:
    return sum(image_tokens(call.model, image) for image in call.images)


def _add_item(item: Mapping[str, object], texts: list[str]) -> int:
    kind = kind_of(item)
    if kind not in _FIELDS:
        texts.append(orjson.dumps(item).decode())
    for name in _FIELDS.get(kind, ()):
        texts += _texts_in(item.get(name))
    sealed = item.get("encrypted_content")
    sealed_chars = len(sealed) if isinstance(sealed, str) else 0
    framing = TOOL_CALL_TOKENS if kind.endswith("_call") else MESSAGE_TOKENS
    return framing + -(-sealed_chars // SEALED_CHARS_PER_TOKEN)


def _texts_in(value: object) -> Iterator[str]:
    """A text, or those in a list of parts."""
    if isinstance(value, str):
        yield value
    for part in objects(value):
        yield from (text for name in ("text", "refusal") if isinstance(text := part.get(name), str))


def _as_in_chat(tool: Mapping[str, object]) -> Mapping[str, object]:
    """A function's fields stand beside its type here, and in an object of their own there."""
    if tool.get("type") != "function":
        return tool
    return {"function": {name: value for name, value in tool.items() if name != "type"}}


def schema_of(document: Mapping[str, object]) -> Mapping[str, object] | None:
    """The JSON schema that an answer is asked for under, by request or response."""
    text = document.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    return wanted if isinstance(wanted, dict) and kind_of(wanted) == "json_schema" else None
