"""Which stored objects an answer tells its caller of: they are the caller's.

Only what the provider itself says counts, at the places it is documented for. An answer also
repeats what the caller sent (metadata, schemas), and what a model wrote at the caller's wish; an id
in there proves nothing.

| API | what is the caller's |
|---|---|
| OpenAI | `id`; the `file` of an upload; `output_file_id`, `error_file_id`, `result_files`; of a response, also in events: its `id`, its items' ids, the containers they ran in |
| Anthropic | `id`; of a message its container, and the files that tools left there |
| Gemini | `name`, also of `file` and each of `files`; of an operation the files of its results |

Sources: OpenAI, Anthropic and Gemini API references (read 2026-11-26).
"""  # noqa: E501 - a table row is one line

from collections.abc import Iterable, Iterator, Mapping

from gateway.dialects.endpoint import ANTHROPIC, GEMINI
from gateway.dialects.jobs import EVENT_STREAM, decoded, text_of
from gateway.dialects.sse import BOM, EventBuffer
from gateway.dialects.stored_references import google_objects
from gateway.metering.call import Call

# An event in which an object or an item is told of; in none of the many with a piece of text.
_TELLING = (b'"response":', b'"response" :', b'"item":', b'"container"', b'_tool_result"')
_MESSAGE = "message"


def tells(call: Call, *, dialect: str) -> bool:
    """Whether the answer of a metered call tells of anything stored."""
    match dialect:
        case "openai_chat":
            return bool(call.document.get("store"))
        case "openai_responses":
            return call.document.get("store") is not False
        case "anthropic_messages":
            return call.turns > 1 or "container" in call.document
        case _:
            return True


def id_of(item: Mapping[str, object], *, api: str, collection: str) -> str:
    """By what it is remembered; empty if it has no id."""
    if api != GEMINI:
        return text_of(item, "id")
    name = text_of(item, "name")
    if "/" in name:
        return "/".join(name.split("/")[-2:])
    own = text_of(item, "id") or name
    return f"{collection}/{own}" if own else ""


def told(document: Mapping[str, object], *, api: str, collection: str) -> list[str]:
    """The first is the object itself, if there is one."""
    if api == GEMINI:
        found = [id_of(document, api=api, collection=collection), *_google(document, collection)]
    elif api == ANTHROPIC:
        found = list(_anthropic(document))
    else:
        found = list(_openai(document))
    return [each for each in dict.fromkeys(found) if each]


def told_in(body: bytes, *, content_type: str, api: str, collection: str) -> list[str]:
    """In an answer, whole or an event stream."""
    if content_type != EVENT_STREAM:
        documents: Iterable[object] = (decoded(body.removeprefix(BOM)),)
    else:
        events = EventBuffer(event_bytes_max=len(body) + 1)
        events.feed(body)
        documents = (decoded(each) for each in events.take(final=True) if _telling(each))
    found: dict[str, None] = {}
    for document in documents:
        if isinstance(document, dict):
            found |= dict.fromkeys(told(document, api=api, collection=collection))
    return list(found)


def _telling(event: bytes) -> bool:
    return any(word in event for word in _TELLING)


def _openai(document: Mapping[str, object]) -> Iterator[str]:
    response = _object(document, "response") or document
    yield text_of(response, "id")
    yield text_of(_object(document, "file"), "id")
    for name in ("output_file_id", "error_file_id"):
        yield text_of(document, name)
    results = document.get("result_files")
    for result in results if isinstance(results, list) else ():
        # Ids; whole files in older versions.
        yield text_of(result, "id") if isinstance(result, dict) else str(result)
    for item in (*_objects(response, "output"), _object(document, "item")):
        yield text_of(item, "id")
        if text_of(item, "type") == "code_interpreter_call":
            yield text_of(item, "container_id")


def _anthropic(document: Mapping[str, object]) -> Iterator[str]:
    kind = text_of(document, "type")
    message = _object(document, "message") or document
    if text_of(message, "type") != _MESSAGE:
        yield text_of(document, "id") if kind != "content_block_start" else ""
    for holder in (message, _object(document, "delta")):
        yield text_of(_object(holder, "container"), "id")
    for block in (*_objects(message, "content"), _object(document, "content_block")):
        if text_of(block, "type").endswith("_tool_result"):
            for output in _objects(_object(block, "content"), "content"):
                yield text_of(output, "file_id")


def _google(document: Mapping[str, object], collection: str) -> Iterator[str]:
    for file in (_object(document, "file"), *_objects(document, "files")):
        yield id_of(file, api=GEMINI, collection=collection)
    response = _object(document, "response")
    for holder in (response, _object(_object(document, "metadata"), "output")):
        yield from google_objects(text_of(holder, "responsesFile"))
    made = _object(response, "generateVideoResponse")
    for sample in _objects(made, "generatedSamples"):
        yield from google_objects(text_of(_object(sample, "video"), "uri"))


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _objects(document: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = document.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
