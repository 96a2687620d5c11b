"""The head of a plain request, read in one go.

Nearly all calls are one `POST` with a length, of an SDK that writes the same dozen fields each
time. Such a head is read here with one regular expression; whatever is anything else, or in any
doubt, is not read at all (None) and left to aiohttp's parser, which knows all of HTTP and refuses
what is none of it. So nothing is accepted here that two readers could understand differently: field
names are tokens, values printable ASCII, lines end in CRLF, no field comes twice, and nothing
frames the body but one plain Content-Length (RFC 9112 §2-§6, RFC 9110 §5).
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.proxy.seams import RawHeaders

# As aiohttp bounds a single line; an SDK's whole head has some 800 bytes.
HEAD_BYTES_MAX = 8190
FIELDS_MAX = 100
_NAMES_MAX = 1024

# Possessive throughout: what does not match at once does not match, in linear time.
_HEAD = re.compile(
    rb"POST (/[!\"$-~]*+) HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++: [!-~][\t -~]*+\r\n)++"
    rb"\r\n"
)
_VERSION_BYTES = len(" HTTP/1.1\r\n")
_END_BYTES = len("\r\n\r\n")
_TRAILING = re.compile(rb"[\t ](?:\r|\Z)")
_LENGTH = re.compile(rb"[0-9]{1,10}")

# Framing and upgrades, and what is answered before the body is there.
_NOT_PLAIN = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"content-encoding"})


class _Lowered(dict[bytes, bytes]):
    """Names in lower case, kept: the same few come with every call. Strangers make some up, so it
    is bounded."""

    def __missing__(self, name: bytes) -> bytes:
        lowered = name.lower()
        if len(self) < _NAMES_MAX:
            self[name] = lowered
        return lowered


_LOWERED = _Lowered()


class _Keys(dict[str, bytes]):
    """The key of a name as it is asked for; we ask for a few, always the same."""

    def __missing__(self, name: str) -> bytes:
        key = _LOWERED[name.encode("latin-1", "replace")]
        if len(self) < _NAMES_MAX:
            self[name] = key
        return key


_KEYS = _Keys()


class PlainHeaders(Mapping[str, str]):
    """Fields by name, case-insensitive. Every value is ASCII, and every name is there once."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        """By lower-case name."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[_KEYS[name]].decode("ascii")

    # As the mapping's own, which pays for an exception where nothing is found.
    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        value = self._values.get(_KEYS[name])
        return default if value is None else value.decode("ascii")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _KEYS[name] in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("ascii") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)


class PlainHead(NamedTuple):
    """`size`: of the head itself, in bytes; the body follows and has `body_bytes`."""

    target: str
    fields: RawHeaders
    headers: PlainHeaders
    size: int
    body_bytes: int


def read_head(data: bytes) -> PlainHead | None:
    """The head that `data` begins with; None unless all of it is there, and it is plain."""
    matched = _HEAD.match(data)
    if matched is None or (size := matched.end()) > HEAD_BYTES_MAX:
        return None
    block = data[matched.end(1) + _VERSION_BYTES : size - _END_BYTES]
    lines = [line.partition(b": ") for line in block.split(b"\r\n")]
    fields = [(name, value) for name, _, value in lines]
    values = {_LOWERED[name]: value for name, value in fields}
    # What stands at a line's end is trimmed by some readers.
    if len(values) != len(fields) or _TRAILING.search(block):
        return None
    if len(fields) > FIELDS_MAX or not _NOT_PLAIN.isdisjoint(values) or b"host" not in values:
        return None
    if values.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    length = values.get(b"content-length", b"")
    if _LENGTH.fullmatch(length) is None:
        return None
    target = matched[1].decode("ascii")
    return PlainHead(target, fields, PlainHeaders(values), size, int(length))
