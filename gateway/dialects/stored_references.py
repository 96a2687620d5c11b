"""Where a request's body refers to objects that a provider keeps.

One table for each API: under these keys stands the id of an object, a list of ids, or an object
with an `id`. They are looked for wherever they stand, so that a new place is no way around; but not
in what is the caller's own data, whose keys mean nothing to the provider (`OPAQUE`).

Most calls to a model cannot refer to anything, and that shows in what was read of them already: a
prompt of texts has no inputs that only the provider can see. Not seen are ids inside of files (but
for the requests of OpenAI's batches, see `memos.py`), in forms, and in the messages of a WebSocket.

Sources: OpenAI, Anthropic and Gemini API references (read 2026-11-26).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.dialects.endpoint import ANTHROPIC, GEMINI, OPENAI
from gateway.dialects.jobs import decoded
from gateway.errors import BadCall
from gateway.metering.call import Call

REFERENCES_MAX = 1_000
OPAQUE = frozenset(
    {
        "args",
        "attributes",
        "input_schema",
        "json_schema",
        "metadata",
        "parameters",
        "parametersJsonSchema",
        "parameters_json_schema",
        "responseJsonSchema",
        "responseSchema",
        "response_json_schema",
        "response_schema",
        "schema",
    }
)
# Beginnings of JSON, and of texts in encodings that only the provider would read.
_JSON = re.compile(rb"\s*[{\[]|.{0,3}\0|\xff\xfe|\xfe\xff|\xef\xbb\xbf", re.DOTALL)
# Google's files are referred to by URL or name, with or without a verb after it.
_GOOGLE = re.compile(
    r"(?:^|/)(files|generatedFiles|cachedContents|fileSearchStores|operations|batches)/([^/:?#]+)"
)
_FILE_SEARCH = frozenset({"fileSearch", "file_search"})
_ITEM_REFERENCE = "item_reference"


@dataclass(frozen=True, slots=True)
class References:
    """`keys` under which references stand; `more`: other words without which there is none."""

    keys: tuple[str, ...]
    opaque: frozenset[str] = OPAQUE
    more: tuple[bytes, ...] = ()
    words: tuple[bytes, ...] = field(init=False)
    given: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        quoted = tuple(b'"%b"' % key.encode() for key in self.keys)
        object.__setattr__(self, "words", quoted + self.more)
        object.__setattr__(self, "given", re.compile(rb"(?:%b)\s*:" % b"|".join(quoted)))


_OPENAI = References(
    (
        "container",
        "container_id",
        "conversation",
        "file_id",
        "file_ids",
        "input_file_id",
        "previous_response_id",
        "skill_id",
        "training_file",
        "validation_file",
        "vector_store_ids",
    )
)
_ANTHROPIC = References(("container", "file_id", "file_ids", "skill_id"), opaque=OPAQUE | {"input"})
_GEMINI = References(
    (
        "cachedContent",
        "cached_content",
        "fileName",
        "fileSearchStoreNames",
        "fileUri",
        "file_name",
        "file_search_store_names",
        "file_uri",
        "operationName",
        "operation_name",
        "uri",
    ),
    opaque=OPAQUE - {"parameters"} | {"response"},
)
_NONE = References(())

BY_API: Mapping[str, References] = {
    OPENAI: _OPENAI,
    ANTHROPIC: _ANTHROPIC,
    GEMINI: _GEMINI,
}
REFERRING_TO_NOTHING = frozenset(
    {
        "anthropic_complete",
        "openai_completions",
        "openai_embeddings",
        "openai_moderations",
        "openai_speech",
        "openai_transcription",
        "openai_vector_search",
        "rerank",
        "unknown_endpoint",
    }
)


def may_refer(call: Call, *, dialect: str) -> bool:
    """False for most calls on the hot path, by what was read of them."""
    match dialect:
        case "openai_chat":
            return call.opaque_inputs > 0
        case "anthropic_messages" | "anthropic_vertex":
            # Only a tool that runs over there can use what is uploaded for it.
            seen = call.opaque_inputs or call.images or call.turns > 1
            return bool(seen or "container" in call.document)
        case "gemini_generate":
            document = call.document
            cached = "cachedContent" in document or "cached_content" in document
            return bool(call.opaque_inputs or cached or _searches_files(document.get("tools")))
        case _:
            return dialect not in REFERRING_TO_NOTHING


def _searches_files(tools: object) -> bool:
    listed = tools if isinstance(tools, list) else [tools]
    return any(isinstance(tool, dict) and tool.keys() & _FILE_SEARCH for tool in listed)


def references(body: bytes, *, api: str) -> list[str]:
    """The ids that a body names; of Google's, with their collection. What is no JSON has none.

    Raises BadCall where the provider might read another one than we do: a key that is there twice
    or spelled with escapes, or an encoding other than UTF-8.
    """
    known = BY_API.get(api, _NONE)
    document = decoded(body) if known.keys else None
    if document is None:
        if known.keys and _JSON.match(body):
            raise BadCall("The body is not valid UTF-8 JSON.")
        return []
    walk = _Walk(known, api)
    found = list(dict.fromkeys(walk.references(document)))
    if walk.keys_seen != len(known.given.findall(body)):
        raise BadCall(
            "A reference to a stored object was given twice or spelled with escapes; give it "
            "once, in plain letters."
        )
    if len(found) > REFERENCES_MAX:
        raise BadCall(f"A request may refer to {REFERENCES_MAX} stored objects at the most.")
    return found


class _Walk:
    def __init__(self, known: References, api: str) -> None:
        self._keys = frozenset(known.keys)
        self._opaque = known.opaque
        self._api = api
        self.keys_seen = 0

    def references(self, document: object) -> Iterator[str]:
        yield from self._items(document)
        waiting: list[tuple[object, bool]] = [(document, False)]
        while waiting:
            value, opaque = waiting.pop()
            if isinstance(value, list):
                waiting += ((each, opaque) for each in value)
            elif isinstance(value, dict):
                for key, inner in value.items():
                    if key in self._keys:
                        self.keys_seen += 1
                        if not opaque:
                            yield from self._ids(key, inner)
                    waiting.append((inner, opaque or key in self._opaque))

    def _items(self, document: object) -> Iterator[str]:
        """Items of earlier responses, named instead of sent again; their `type` may be missing."""
        for place in ("input", "items"):
            listed = document.get(place) if isinstance(document, dict) else None
            for item in listed if self._api == OPENAI and isinstance(listed, list) else ():
                if isinstance(item, dict) and (
                    item.get("type") == _ITEM_REFERENCE or item.keys() <= {"id", "type"}
                ):
                    yield from self._ids("id", item.get("id"))

    def _ids(self, key: str, value: object) -> Iterator[str]:
        if isinstance(value, list):
            for each in value:
                yield from self._ids(key, each)
            return
        given = value.get("id") if isinstance(value, dict) else value
        if not isinstance(given, str) or not given:
            return
        if self._api == GEMINI:
            yield from google_objects(given)
        # The vendors' own skills have plain names.
        elif key != "skill_id" or given.startswith("skill_"):
            yield given


def google_objects(text: str) -> Iterator[str]:
    """The object that a name or URL of Google's leads to, if it does: `files/abc`."""
    for found in _GOOGLE.finditer(text):
        yield f"{found[1]}/{found[2]}"
