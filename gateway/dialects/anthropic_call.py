"""An Anthropic messages request: what metering must know of it, and what is refused.

Reads only the fields that decide what a call may cost; all others are the provider's to judge, a
missing `max_tokens` included. Source: anthropic package 2.14.0, `types/message_create_params.py`
and `types/beta/message_create_params.py` (read 2026-11-23).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.dialects.anthropic_usage import WEB_SEARCH, asked_tier
from gateway.dialects.image_size import image_size
from gateway.dialects.json_body import (
    SingleKeys,
    array,
    boolean,
    model_name,
    objects,
    read_object,
    tokens,
)
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, ImageInput, Terms, make_call

SINGLE_KEYS = SingleKeys(
    (
        "model",
        "messages",
        "system",
        "tools",
        "mcp_servers",
        "stream",
        "max_tokens",
        "speed",
        "inference_geo",
        "fallbacks",
        "thread",
    )
)
# A call with tools that run over there is a loop: the model reads the prompt and all results again
# each time, at most ten times before it pauses the turn (guide "Server tools").
SERVER_ROUNDS_MAX = 10
# For a search tool that says no `max_uses`: one a round.
SEARCHES_ASSUMED = SERVER_ROUNDS_MAX
# Tools that run over there, by the beginning of their type.
SEARCH = f"{WEB_SEARCH}_"
SERVER_TOOLS = (SEARCH, "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset")
# Consulted in the middle of the answer, at its own price.
ADVISOR = "advisor_"


def read_call(body: bytes) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    document = read_object(body, SINGLE_KEYS)
    model = model_name(document)
    stream = boolean(document, "stream")
    return call_of(document, model=model, stream=stream, size=len(body))


def call_of(document: Mapping[str, object], *, model: str, stream: bool, size: int) -> Call:
    """`document` is `size` bytes long in JSON."""
    tools = _own_tools(document)
    _refuse_other_models(document, tools)
    media = _media(document, size)
    looping = document.get("mcp_servers") or any(kind.startswith(SERVER_TOOLS) for kind, _ in tools)
    return make_call(
        model=model,
        stream=stream,
        turns=SERVER_ROUNDS_MAX if looping else 1,
        max_output_tokens=tokens(document, "max_tokens"),
        wants_usage=True,
        text_bytes=media.text_bytes,
        images=tuple(media.images),
        opaque_inputs=media.opaque_inputs,
        terms=_terms(document, tools),
        document=document,
    )


def _own_tools(document: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    """The tools that Anthropic defines, with their types; a caller's own have none."""
    return [
        (kind, tool)
        for tool in objects(document.get("tools"))
        if isinstance(kind := tool.get("type"), str)
    ]


def _refuse_other_models(
    document: Mapping[str, object], tools: Sequence[tuple[str, Mapping[str, object]]]
) -> None:
    """What lets another model work on the call, at a price that is not this model's."""
    advised = any(kind.startswith(ADVISOR) for kind, _ in tools)
    if advised or isinstance(document.get("fallbacks"), list):
        name = "tools" if advised else "fallbacks"
        what = "an advisor" if advised else "fallback models"
        raise BadCall(
            f"{name} names {what}, whose tokens cannot be charged here; leave it out.",
            details={"param": name},
        )


def _terms(
    document: Mapping[str, object], tools: Sequence[tuple[str, Mapping[str, object]]]
) -> Terms:
    searches = sum(_uses(tool) for kind, tool in tools if kind.startswith(SEARCH))
    tier = asked_tier(document)
    if not searches and not tier:
        return TEXT_ONLY
    return Terms(pieces=((WEB_SEARCH, searches),) if searches else (), service_tier=tier)


def _uses(tool: Mapping[str, object]) -> int:
    limit = tool.get("max_uses")
    return limit if type(limit) is int and limit >= 0 else SEARCHES_ASSUMED


@dataclass(slots=True)
class _Media:
    """What a request carries besides text, as it is found."""

    text_bytes: int
    images: list[ImageInput] = field(default_factory=list)
    opaque_inputs: int = 0


def _media(document: Mapping[str, object], size: int) -> _Media:
    media = _Media(size)
    # The prompt so far, or the tools of somebody else's server, are known over there only.
    for elsewhere in ("thread", "mcp_servers"):
        media.opaque_inputs += bool(document.get(elsewhere))
    for message in array(document, "messages"):
        content = message.get("content") if isinstance(message, dict) else None
        # Texts, as most blocks are, have nothing to them but their bytes.
        for outer in content if isinstance(content, list) else ():
            if isinstance(outer, dict) and outer.get("type") != "text":
                for block in blocks(outer):
                    _add_block(block, media)
    return media


def blocks(content: object) -> Iterator[Mapping[str, object]]:
    """All content blocks, those inside others included: results of tools, parts of documents."""
    # A stack, so that deep content costs no deep calls.
    todo = [content]
    while todo:
        inside = todo.pop()
        found = [inside] if isinstance(inside, dict) else list(objects(inside))
        for block in found:
            yield block
            source = block.get("source")
            todo += [block.get("content"), source.get("content") if isinstance(source, dict) else 0]


def _add_block(block: Mapping[str, object], media: _Media) -> None:
    source = block.get("source")
    match block.get("type"):
        case "image":
            _add_image(source, media)
        case "container_upload":
            # Goes into the container, not into the prompt.
            pass
        case _ if isinstance(source, dict):
            # Documents: text and nested content are read as such; all else becomes text and images
            # over there.
            if source.get("type") not in ("text", "content"):
                media.opaque_inputs += 1
        case _:
            media.opaque_inputs += "file_id" in block


def _add_image(source: object, media: _Media) -> None:
    data = source.get("data") if isinstance(source, dict) else None
    width = height = None
    if isinstance(data, str):
        media.text_bytes -= len(data)
        width, height = image_size(data) or (None, None)
    media.images.append(ImageInput(width=width, height=height, detail="auto"))
