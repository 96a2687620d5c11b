"""How large a messages prompt is: a cheap bound from its bytes, and its parts for an exact count.

Neither Anthropic's vocabulary nor its framing is published. Texts are counted with a vocabulary
we have and scaled by model (`encodings`); the framing is what its guides state, and where they
are silent or bills differ what was measured on recorded calls (`docs/counting.md`). The true
number comes with the first event of the answer. Knows no tokenizer.

Sources (read 2026-11-23): guides "Tool use with Claude" and "Pricing", sections on tool use.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import orjson

from gateway.dialects.anthropic_call import blocks
from gateway.dialects.anthropic_images import image_tokens
from gateway.dialects.base import PromptParts
from gateway.dialects.json_body import objects
from gateway.metering.call import Call
from gateway.metering.model_names import bare_name

# "Hi" from a user is 8 tokens.
PRIMING_TOKENS = 3
MESSAGE_TOKENS = 4
# The system prompt that explains tools: as published, and as measured since Claude 4.5, where a
# call that is demanded takes more. The first matching row counts.
TOOLS_TOKENS = (
    ("*claude-3*", 346, 346),
    ("*claude-*-[5-9]*", 512, 605),
    ("*", 346, 346),
)
# A call's name and arguments are texts; the tags around it and around each argument are not.
TOOL_CALL_TOKENS = 36
ARGUMENT_TOKENS = 13
# How an answer under a JSON schema is asked for, beside the schema.
SCHEMA_TOKENS = 150
# What a tool of Anthropic's own adds, by the beginning of its type; the dearest for others.
OWN_TOOLS = {"bash_": 245, "text_editor_": 700, "computer_": 735}
OWN_TOOL_TOKENS = 735
# Thinking that comes encrypted is about as long as the text it stands for, and base64 a third
# longer. A token of English is 3.6 to 4.4 bytes; more, so that a doubt is in the caller's favour.
ENCRYPTED_BYTES_PER_TOKEN = 6

# The texts of a block, whatever its type.
_TEXTS = ("text", "content", "thinking", "title", "context", "name", "source", "url")
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_SEALED = ("signature", "data", "encrypted_content")


def prompt_bound_tokens(call: Call, *, context_tokens: int) -> int:
    """A token is at least a byte; a prompt beyond the context is refused by the provider."""
    bound = call.text_bytes + call.opaque_inputs * context_tokens
    if call.images:
        bound += _image_tokens(call)
    if call.document.get("tools"):
        bound += _own_tools_tokens(call)
    if _schema(call.document):
        bound += SCHEMA_TOKENS
    return min(bound, context_tokens)


def prompt_parts(call: Call) -> PromptParts:
    """Texts as the model reads them. Opaque inputs are in no part: they cannot be counted."""
    document = call.document
    texts: list[str] = []
    fixed = PRIMING_TOKENS + _image_tokens(call) + _own_tools_tokens(call)
    fixed += _add_content(document.get("system"), texts)
    for message in objects(document.get("messages")):
        fixed += MESSAGE_TOKENS + _add_content(message.get("content"), texts)
    texts += [
        orjson.dumps(tool).decode() for tool in objects(document.get("tools")) if not _own(tool)
    ]
    if schema := _schema(document):
        texts.append(orjson.dumps(schema).decode())
        fixed += SCHEMA_TOKENS
    return PromptParts(texts=texts, fixed_tokens=fixed)


def call_tokens(calls: int, arguments: int) -> int:
    """Framing of tool calls that have so many arguments together."""
    return calls * TOOL_CALL_TOKENS + arguments * ARGUMENT_TOKENS


def arguments_in(json_text: str) -> int:
    """Members at any depth: an object in an argument is written out like arguments."""
    return json_text.count('":')


def sealed_tokens(base64_chars: int, *, shown_chars: int = 0) -> int:
    """Tokens behind encrypted thinking of which so much was shown as text; rather too few."""
    return max(0, base64_chars * 3 // 4 - shown_chars) // ENCRYPTED_BYTES_PER_TOKEN


def _image_tokens(call: Call) -> int:
    return sum(image_tokens(call.model, image) for image in call.images)


def _own_tools_tokens(call: Call) -> int:
    tools = list(objects(call.document.get("tools")))
    own = sum(
        next((size for kind, size in OWN_TOOLS.items() if name.startswith(kind)), OWN_TOOL_TOKENS)
        for tool in tools
        if (name := _own(tool))
    )
    return own + _tools_tokens(call) if tools else 0


def _tools_tokens(call: Call) -> int:
    choice = call.document.get("tool_choice")
    demanded = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    name = bare_name(call.model)
    return next(
        forced if demanded else free
        for match, free, forced in TOOLS_TOKENS
        if fnmatchcase(name, match)
    )


def _schema(document: Mapping[str, object]) -> object:
    config = document.get("output_config")
    found = config.get("format") if isinstance(config, dict) else document.get("output_format")
    return found.get("schema") if isinstance(found, dict) else None


def _own(tool: Mapping[str, object]) -> str:
    """The type of a tool that Anthropic defines; empty for a caller's own."""
    kind = tool.get("type")
    return kind if isinstance(kind, str) and kind != "custom" else ""


def _add_content(content: object, texts: list[str]) -> int:
    if isinstance(content, str):
        texts.append(content)
        return 0
    return sum(_add_block(block, texts) for block in blocks(content))


def _add_block(block: Mapping[str, object], texts: list[str]) -> int:
    texts += [text for name in _TEXTS if isinstance(text := block.get(name), str)]
    source = block.get("source")
    if isinstance(source, dict) and source.get("type") in ("text", "content"):
        texts += [text for text in (source.get("data"), source.get("content")) if text]
    if block.get("type") in _CALLS:
        texts.append(orjson.dumps(block.get("input")).decode())
        return call_tokens(1, arguments_in(texts[-1]))
    sealed = sum(len(text) for name in _SEALED if isinstance(text := block.get(name), str))
    shown = block.get("thinking")
    return sealed_tokens(sealed, shown_chars=len(shown) if isinstance(shown, str) else 0)
