"""The tools that OpenAI runs itself in the Responses API: what each use of them costs, in pieces.

| tool offered | item that a use leaves | piece |
|---|---|---|
| web_search, web_search_2025_08_26 | web_search_call whose action is `search` | web_search |
| web_search_preview, …_2025_03_11 | the same | web_search_preview |
| file_search | file_search_call | file_search |
| code_interpreter | code_interpreter_call: each container once | code_interpreter[.memory] |
| shell in a hosted container | shell_call: each container once | container[.memory] |
| image_generation | image_generation_call | image[.quality[.size]] |

Opening a page and searching in it are no searches. A container that the request names was paid for
when it was made. Nothing but tokens is paid for all others (function, custom, mcp, computer,
apply_patch, local_shell, tool_search …). What the tokens of a made picture come to is in its
price by quality and size.

Before a call nobody knows how often a tool will be used: `max_tool_calls` says so, or
`CALLS_ASSUMED` is held, which a long research may overrun; it is settled in full all the same.

Sources (read 2026-11-24): OpenAI's pricing page ("Built-in tools"); its guides on web search, file
search, code interpreter, hosted shell and image generation; the openai package 3.57.0,
`types/responses`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from gateway.dialects.json_body import kind_of, objects
from gateway.metering.usage import NOTHING, Pieces, Usage, added

# Most answers that search do so one to five times; ten are more than nearly all need.
CALLS_ASSUMED = 10
# Beyond, a limit is none.
CALLS_MAX = 1_000
# What a search feeds back to the model is input that no text shows. Published for the non-reasoning
# minis: a block of 8 000 tokens; file search returns up to 20 chunks of at most 800.
RESULT_TOKENS: Mapping[str, int] = {"web_search_call": 8_000, "file_search_call": 16_000}

_CONTAINERS: Mapping[str, str] = {
    "code_interpreter_call": "code_interpreter",
    "shell_call": "container",
}
_ITEMS = frozenset({*RESULT_TOKENS, *_CONTAINERS, "image_generation_call"})
_FREE_ITEMS = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "mcp_call",
        "tool_search_call",
    }
)
_DATED: Mapping[str, str] = {
    "web_search_2025_08_26": "web_search",
    "web_search_preview_2025_03_11": "web_search_preview",
}
_WORD = re.compile(r"[a-z0-9_-]{1,20}")


def offered(request: Mapping[str, object]) -> Pieces:
    """The most that a call may use of what is sold by the piece."""
    if request.get("tool_choice") == "none":
        return ()
    limit = request.get("max_tool_calls")
    calls = min(limit, CALLS_MAX) if type(limit) is int and limit >= 0 else CALLS_ASSUMED
    pieces: Pieces = ()
    for tool in tools_of(request):
        name = _piece(tool)
        # One container serves a whole answer.
        one = name.partition(".")[0] in _CONTAINERS.values()
        count = min(1, calls) if one else calls
        if name and count:
            pieces = added(pieces, ((name, count),))
    return pieces


def tools_of(request: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """All tool definitions; those that stand among the input items as well."""
    yield from objects(request.get("tools"))
    for item in objects(request.get("input")):
        if item.get("type") == "additional_tools":
            yield from objects(item.get("tools"))


def hosted(request: Mapping[str, object]) -> bool:
    """Whether the provider may run the model several times over for one answer."""
    return any(_piece(tool) or tool.get("type") == "mcp" for tool in tools_of(request))


def used(items: Iterable[Mapping[str, object]], request: Mapping[str, object]) -> Usage:
    """What these output items show: pieces, and the input that no text shows.

    `request` is that of the call, or the response itself, which repeats its tools.
    """
    paid: Pieces = ()
    result_tokens = 0
    containers = _named_containers(request)
    for item in items:
        kind = kind_of(item)
        if kind not in _ITEMS or item.get("status") == "failed":
            continue
        name = _use(item, kind, request=request, containers=containers)
        if name:
            paid = added(paid, ((name, 1),))
            result_tokens += RESULT_TOKENS.get(kind, 0)
    return Usage(input_uncached=result_tokens, pieces=paid) if paid else NOTHING


def unknown_uses(items: Iterable[Mapping[str, object]]) -> dict[str, int | float]:
    """How often each kind of call occurs that is not known here to be free or to cost a piece."""
    counts: dict[str, int | float] = {}
    for item in items:
        kind = kind_of(item)
        if kind.endswith("_call") and kind not in _ITEMS | _FREE_ITEMS:
            counts[f"output.{kind}"] = counts.get(f"output.{kind}", 0) + 1
    return counts


def _use(
    item: Mapping[str, object],
    kind: str,
    *,
    request: Mapping[str, object],
    containers: set[str],
) -> str:
    """The piece that this item is one of, or nothing."""
    match kind:
        case "web_search_call":
            action = item.get("action")
            made = action.get("type", "search") if isinstance(action, dict) else "search"
            return search_piece(request) if made == "search" else ""
        case "image_generation_call":
            return _image(item)
        case "file_search_call":
            return "file_search"
        case _:
            container = _container(item)
            if container is None or container in containers:
                return ""
            containers.add(container)
            return _offered_as(request, _CONTAINERS[kind])


def search_piece(request: Mapping[str, object]) -> str:
    return _offered_as(request, "web_search_preview", otherwise="web_search")


def _offered_as(request: Mapping[str, object], name: str, *, otherwise: str = "") -> str:
    """The piece of this kind by the particular name under which a tool was offered."""
    for tool in tools_of(request):
        piece = _piece(tool)
        if piece.partition(".")[0] == name:
            return piece
    return otherwise or name


def _piece(tool: Mapping[str, object]) -> str:
    """What a use of this tool costs one of; nothing if it costs none."""
    kind = kind_of(tool)
    match kind:
        case "web_search_preview" | "web_search" | "file_search":
            return kind
        case _ if kind in _DATED:
            return _DATED[kind]
        case "image_generation":
            return _image(tool)
        case "code_interpreter":
            return _new_container("code_interpreter", tool.get("container"))
        case "shell":
            place = tool.get("environment")
            there = isinstance(place, dict) and place.get("type") == "container_auto"
            return _new_container("container", place) if there else ""
        case _:
            return ""


def _new_container(name: str, container: object) -> str:
    """Nothing for one that is named: it was paid for when it was made."""
    if isinstance(container, str):
        return ""
    memory = container.get("memory_limit") if isinstance(container, dict) else None
    return f"{name}.{memory}" if _is_word(memory) else name


def _image(picture: Mapping[str, object]) -> str:
    """By quality and size as far as they are named: the model may choose either."""
    quality, size = picture.get("quality"), picture.get("size")
    if not _is_word(quality) or quality == "auto":
        return "image"
    return f"image.{quality}.{size}" if _is_word(size) and size != "auto" else f"image.{quality}"


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _container(item: Mapping[str, object]) -> str | None:
    """The id of the container an item's work was done in; None for the caller's own machine."""
    place = item.get("environment")
    named = place.get("container_id") if isinstance(place, dict) else item.get("container_id")
    return named if isinstance(named, str) else None


def _named_containers(request: Mapping[str, object]) -> set[str]:
    """Those that were there before: named in a tool, or in an earlier item of the conversation."""
    places: list[object] = [_container(item) for item in objects(request.get("input"))]
    for tool in tools_of(request):
        places += [_container(tool), tool.get("container")]
    return {place for place in places if isinstance(place, str)}
