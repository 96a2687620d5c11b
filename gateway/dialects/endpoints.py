"""Every path the gateway serves, and how it is metered.

Paths are matched on the bytes of the request line, undecoded: `//`, `..`, `%2F` or a trailing
slash make another path, and another path is no endpoint. Source: OpenAI API reference (read
2026-11-23).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# What `{name}` stands for: one segment of characters no server decodes or resolves.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._:@+~-]+"


class EndpointKind(StrEnum):
    METERED = "metered"
    FREE = "free"
    REPORTS = "reports"
    """Free itself, but its answer may report what an earlier job used."""
    REALTIME = "realtime"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, or a pattern with `{name}` for one segment.

    `api` names a row of `APIS`: whose keys, errors and providers. `dialect` names a row of
    `DIALECTS`: which format meters it. `reason` says why a path is refused.
    """

    method: str
    pattern: str
    api: str
    kind: EndpointKind
    dialect: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    endpoint: Endpoint
    segments: Mapping[str, str] = field(default_factory=dict)


ENDPOINTS = (
    Endpoint("POST", "/v1/chat/completions", "openai", EndpointKind.METERED, "openai_chat"),
    Endpoint("GET", "/v1/models", "openai", EndpointKind.FREE),
    Endpoint("GET", "/v1/models/{model}", "openai", EndpointKind.FREE),
)

_EXACT = {(row.method, row.pattern): Match(row) for row in ENDPOINTS if "{" not in row.pattern}
_PATTERNS = tuple(
    (row, re.compile(re.sub(r"\\\{(\w+)\\\}", rf"(?P<\1>{_SEGMENT})", re.escape(row.pattern))))
    for row in ENDPOINTS
    if "{" in row.pattern
)


def match(method: str, path: str) -> Match | None:
    """The endpoint of a raw path without its query; None when there is none."""
    exact = _EXACT.get((method, path))
    if exact is not None:
        return exact
    for row, pattern in _PATTERNS:
        if row.method == method and (found := pattern.fullmatch(path)):
            return Match(row, found.groupdict())
    return None
