"""Every path the gateway serves, and how it is metered.

Paths are matched on the bytes of the request line, undecoded: `//`, `..`, `%2F` or a trailing
slash make another path, and another path is no endpoint. Source: OpenAI API reference (read
2026-11-23).
"""

import re
from dataclasses import dataclass

# What `{name}` stands for: one segment of characters no server decodes or resolves.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._:@+~-]+"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, or a pattern with `{name}` for one segment.

    `dialect` names a row of `DIALECTS`. An endpoint that is not `metered` is forwarded and not
    charged; it has a dialect too, for its keys and errors.
    """

    method: str
    pattern: str
    dialect: str
    metered: bool


ENDPOINTS = (
    Endpoint("POST", "/v1/chat/completions", dialect="openai_chat", metered=True),
    Endpoint("GET", "/v1/models", dialect="openai_chat", metered=False),
    Endpoint("GET", "/v1/models/{model}", dialect="openai_chat", metered=False),
)

_EXACT = {(row.method, row.pattern): row for row in ENDPOINTS if "{" not in row.pattern}
_PATTERNS = tuple(
    (row, re.compile(re.sub(r"\\\{\w+\\\}", lambda _: _SEGMENT, re.escape(row.pattern))))
    for row in ENDPOINTS
    if "{" in row.pattern
)


def match(method: str, path: str) -> Endpoint | None:
    """The endpoint of a raw path without its query; None when there is none."""
    exact = _EXACT.get((method, path))
    if exact is not None:
        return exact
    for row, pattern in _PATTERNS:
        if row.method == method and pattern.fullmatch(path):
            return row
    return None
