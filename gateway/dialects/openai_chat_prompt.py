"""How large a chat prompt is: a cheap bound from its bytes, and its parts for an exact count.

Framing follows "How to count tokens with tiktoken" in the OpenAI cookbook (read 2026-11-23): 3
tokens a message, 1 more with a name, 3 to prime the answer. Tools are `openai_tools.py`'s
business. Knows no tokenizer.
"""

from collections.abc import Mapping

from gateway.dialects.base import PromptParts
from gateway.dialects.json_body import objects
from gateway.dialects.openai_tools import add_schema, add_tools
from gateway.metering.call import Call
from gateway.metering.framing import framing
from gateway.metering.images import image_tokens

MESSAGE_TOKENS = 3
NAME_TOKENS = 1
PRIMING_TOKENS = 3
# Of earlier calls: 6 to 11 beside the texts of one in recorded prompts, 30 of two in a message.
TOOL_CALL_TOKENS = 12
PARALLEL_CALLS_TOKENS = 8
# The heading a response schema is shown under; not published, generously rounded up.
SCHEMA_TOKENS = 24


def prompt_bound_tokens(call: Call, *, context_tokens: int) -> int:
    """A token is at least a byte; a prompt beyond the context is refused by the provider."""
    bound = call.text_bytes + call.audio_tokens + call.opaque_inputs * context_tokens
    if call.images:
        bound += _image_tokens(call)
    if call.document.get("tools"):
        # Instructions on tools may be longer than their shortest definition.
        bound += framing(call.model).tools_tokens
    return min(bound, context_tokens)


def prompt_parts(call: Call) -> PromptParts:
    """Texts as the model reads them. Opaque inputs are in no part: they cannot be counted."""
    texts: list[str] = []
    fixed = PRIMING_TOKENS + _image_tokens(call)
    for message in objects(call.document.get("messages")):
        fixed += _add_message(message, texts)
    document = call.document
    tools = [*objects(document.get("tools")), *objects(document.get("functions"))]
    fixed += add_tools(tools, texts)
    fixed += framing(call.model).tools_tokens if tools else 0
    schema = _schema(document)
    if schema is not None:
        fixed += SCHEMA_TOKENS + add_schema(schema, texts)
    return PromptParts(texts=texts, fixed_tokens=fixed, audio_tokens=call.audio_tokens)


def _image_tokens(call: Call) -> int:
    return sum(image_tokens(call.model, image) for image in call.images)


def _add_message(message: Mapping[str, object], texts: list[str]) -> int:
    fixed = MESSAGE_TOKENS
    for name in ("role", "name", "refusal", "reasoning_content"):
        if isinstance(text := message.get(name), str):
            texts.append(text)
            fixed += NAME_TOKENS if name == "name" else 0
    content = message.get("content")
    if isinstance(content, str):
        texts.append(content)
    for part in objects(content):
        texts += [text for name in ("text", "refusal") if isinstance(text := part.get(name), str)]
    return fixed + _add_calls(message, texts)


def _add_calls(message: Mapping[str, object], texts: list[str]) -> int:
    earlier = message.get("function_call")
    calls = [earlier] if isinstance(earlier, dict) else []
    for call in objects(message.get("tool_calls")):
        calls += [
            made for kind in ("function", "custom") if isinstance(made := call.get(kind), dict)
        ]
    for made in calls:
        texts += [
            text
            for name in ("name", "arguments", "input")
            if isinstance(text := made.get(name), str)
        ]
    return len(calls) * TOOL_CALL_TOKENS + (PARALLEL_CALLS_TOKENS if len(calls) > 1 else 0)


def under_schema(document: Mapping[str, object]) -> bool:
    """A JSON schema is given that the answer must keep to."""
    return _schema(document) is not None


def _schema(document: Mapping[str, object]) -> Mapping[str, object] | None:
    response_format = document.get("response_format")
    schema = response_format.get("json_schema") if isinstance(response_format, dict) else None
    return schema if isinstance(schema, dict) else None
