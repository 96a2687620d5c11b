"""The head of an answer on its way to the caller: which of the provider's fields cross, as they
came, and what is said beside them.

What stays behind: hop-by-hop fields and those that Connection names (RFC 9110 §7.6.1), Set-Cookie
(the provider's cookies would be sent to us by every caller of this host), the operator's
organisation and project, and what a provider says about its own host (Alt-Svc,
Strict-Transport-Security, NEL, Report-To, Clear-Site-Data). The URL of a resumable upload
(X-Goog-Upload-URL) is led through here: see `upload_urls.py`. Vendor facts: as in `headers.py`.

A provider's answers have the same few sets of names. What becomes of the fields is decided once for
each set, by names alone; an answer then costs a look-up and a join.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from operator import itemgetter

from gateway.dialects.limit_headers import Told
from gateway.proxy.headers import HOP_BY_HOP, REQUEST_ID, named_by
from gateway.proxy.seams import RawHeaders

_DROPPED = HOP_BY_HOP | {
    b"set-cookie",
    b"set-cookie2",
    b"openai-organization",
    b"openai-project",
    b"anthropic-organization-id",
    b"alt-svc",
    b"strict-transport-security",
    b"nel",
    b"report-to",
    b"clear-site-data",
}
_DROPPED_PREFIXES = (b"proxy-", b"x-tollkeeper-")

_RATE_LIMIT_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-", b"ratelimit")
"""Families that are only right as a whole: the provider's remainder beside our limit misleads."""

_CONTENT_LENGTH = b"content-length"
# Providers could make names up without end.
_SETS_MAX = 256

_NAME, _VALUE = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """What becomes of fields that have these names, in this order."""

    crosses: tuple[bool, ...]
    connections: tuple[int, ...]
    """Where Connection stands, which may name others."""
    parts: list[bytes]
    """The lines of the head, each value in a part of its own, which is empty here."""
    tells_length: bool


def response_head(
    raw: RawHeaders, *, request_id: bytes, told: Told, keep_length: bool
) -> tuple[bytes, bool]:
    """The fields of the answer to the caller, in lines: the provider's, then `told`, then our
    request id; and whether one of them is a Content-Length.

    A field that is told replaces the provider's of that name; one rate-limit field replaces the
    whole family. Values that hold a line break or NUL are left out. Without `keep_length` the body
    is going to be framed anew.
    """
    names = tuple(map(_NAME, raw))
    ours, lines = told
    crossing = _crossing(names, ours, keep_length)
    if crossing.connections and (named := _named(raw, crossing.connections)):
        left = [field for field in raw if field[0].lower() not in named]
        return response_head(left, request_id=request_id, told=told, keep_length=keep_length)
    values = [*compress(map(_VALUE, raw), crossing.crosses)]
    if _splits(b"".join(values)):
        left = [field for field in raw if not _splits(field[1])]
        return response_head(left, request_id=request_id, told=told, keep_length=keep_length)
    if ours:
        values.append(lines)
    values.append(request_id)
    parts = crossing.parts.copy()
    parts[1::2] = values
    return b"".join(parts), crossing.tells_length


def lines_of(fields: RawHeaders) -> bytes:
    """Of fields that are all our own."""
    return b"\r\n".join(map(b": ".join, fields))


@lru_cache(maxsize=_SETS_MAX)
def _crossing(
    names: tuple[bytes, ...],
    ours: tuple[bytes, ...],
    keep_length: bool,  # noqa: FBT001  hashed
) -> _Crossing:
    lowered = [name.lower() for name in names]
    replaced = {name.lower() for name in ours}
    dropped = _DROPPED | replaced
    if not keep_length:
        dropped |= {_CONTENT_LENGTH}
    prefixes = _DROPPED_PREFIXES + _families_of(replaced)
    crosses = tuple([not _stays(name, dropped, prefixes) for name in lowered])
    before = [b"%b: " % name for name in compress(names, crosses)]
    if ours:
        # Its lines have their names already.
        before.append(b"")
    before.append(b"%b: " % REQUEST_ID)
    parts: list[bytes] = []
    for text in before:
        parts += (b"\r\n" + text if parts else text, b"")
    return _Crossing(
        crosses=crosses,
        connections=tuple(at for at, name in enumerate(lowered) if name == b"connection"),
        parts=parts,
        tells_length=_CONTENT_LENGTH in {*compress(lowered, crosses), *replaced},
    )


def _named(raw: RawHeaders, connections: Iterable[int]) -> set[bytes]:
    named: set[bytes] = set()
    for at in connections:
        named |= named_by(raw[at][1])
    # Having said its names, it is not read again.
    return named | {b"connection"} if named else named


def _stays(name: bytes, dropped: Collection[bytes], prefixes: tuple[bytes, ...]) -> bool:
    return name in dropped or name.startswith(prefixes)


def _families_of(names: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(
        prefix for prefix in _RATE_LIMIT_PREFIXES if any(name.startswith(prefix) for name in names)
    )


def _splits(value: bytes) -> bool:
    # `in` would try each as a number first, and format an error.
    return value.find(b"\n") >= 0 or value.find(b"\r") >= 0 or value.find(b"\0") >= 0
