"""Every path the gateway serves, and how it is metered: all tables, and the search in them.

Paths are matched on the bytes of the request line, undecoded: `//`, `..`, `%2F` or a trailing
slash make another path, and another path is no endpoint. The tables were held against the vendors'
API references and the official SDKs (read 2026-11-26); a test reads every path out of the
installed SDKs and fails on one that stands in no table.

Some paths belong to several vendors: `GET /v1/models` to three of them. They are told apart by
what only that vendor's clients send; see `spoken_api`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.dialects.endpoint import (
    ANTHROPIC,
    BEDROCK,
    GEMINI,
    OPENAI,
    Endpoint,
    EndpointKind,
    Table,
)
from gateway.dialects.endpoints_anthropic import ANTHROPIC_TABLES
from gateway.dialects.endpoints_anthropic_agents import ANTHROPIC_AGENT_TABLES
from gateway.dialects.endpoints_azure import AZURE_TABLES
from gateway.dialects.endpoints_bedrock import BEDROCK_TABLES
from gateway.dialects.endpoints_gemini import GEMINI_TABLES
from gateway.dialects.endpoints_openai import OPENAI_TABLES
from gateway.dialects.endpoints_openai_agents import OPENAI_AGENT_TABLES
from gateway.dialects.endpoints_openai_stored import OPENAI_STORED_TABLES
from gateway.dialects.endpoints_rerank import RERANK_TABLES
from gateway.dialects.endpoints_vertex import VERTEX_TABLES
from gateway.dialects.path_tree import PathTree, names_of

TABLES: tuple[Table, ...] = (
    *OPENAI_TABLES,
    *OPENAI_STORED_TABLES,
    *OPENAI_AGENT_TABLES,
    *AZURE_TABLES,
    *RERANK_TABLES,
    *ANTHROPIC_TABLES,
    *ANTHROPIC_AGENT_TABLES,
    *GEMINI_TABLES,
    *VERTEX_TABLES,
    *BEDROCK_TABLES,
)

ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint for table in TABLES for endpoint in table.endpoints()
)


@dataclass(frozen=True, slots=True)
class Match:
    """`segments`: what stands in the path for the pattern's names, undecoded."""

    endpoint: Endpoint
    segments: Mapping[str, str] = field(default_factory=dict)


class _Paths:
    """The endpoints of one API: a dictionary of the plain paths, a tree of the patterns."""

    def __init__(self, rows: Iterable[Endpoint], *, verbs: bool) -> None:
        self._plain: dict[tuple[str, str], Match] = {}
        self._tree: PathTree[tuple[Endpoint, tuple[str, ...]]] = PathTree(verbs=verbs)
        for row in rows:
            names = tuple(names_of(row.pattern))
            self._tree.add(row.method, row.pattern, (row, names))
            if not names:
                self._plain[row.method, row.pattern] = Match(row)

    def find(self, method: str, path: str) -> Match | None:
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain
        found = self._tree.find(method, path)
        if found is None:
            return None
        (row, names), values = found
        return Match(row, dict(zip(names, values, strict=True)))


# In this order a path is looked for; a caller's own API comes first.
_PATHS = {
    api: _Paths((row for row in ENDPOINTS if row.api == api), verbs=api == GEMINI)
    for api in (OPENAI, ANTHROPIC, GEMINI, BEDROCK)
}


def match(method: str, path: str, *, spoken: str = OPENAI) -> Match | None:
    """The endpoint of a raw path without its query; None when there is none.

    `spoken`: the API whose path it is when it is that of several. HEAD may be asked wherever GET is
    free (RFC 9110 9.3.2).
    """
    found = _match(method, path, spoken)
    if found is None and method == "HEAD":
        found = _match("GET", path, spoken)
        return found if found is not None and found.endpoint.kind is EndpointKind.FREE else None
    return found


def _match(method: str, path: str, spoken: str) -> Match | None:
    found = _PATHS[spoken].find(method, path)
    if found is not None:
        return found
    for api, paths in _PATHS.items():
        if api != spoken:
            found = paths.find(method, path)
            if found is not None:
                return found
    return None


def spoken_api(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The API that the caller's client speaks, by what no other vendor's client sends.

    Anthropic requires `anthropic-version`; Gemini's clients send their key as `x-goog-api-key` or
    `?key=`, and name themselves in `x-goog-api-client`. All others speak OpenAI's. It only decides
    between rows for the same path: nothing is gained by pretending, since the row decides as well
    whose provider the call goes to.
    """
    if "anthropic-version" in headers:
        return ANTHROPIC
    if "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in query:
        return GEMINI
    return OPENAI
