"""The head of a plain request, read in one go.

Nearly all calls are one `POST` with a length, of an SDK that writes the same dozen fields each
time. Such a head is read here in a few steps over the whole of it; whatever is anything else, or in
any doubt, is not read at all (None) and left to aiohttp's parser, which knows all of HTTP and
refuses what is none of it. So nothing is accepted here that two readers could understand
differently: field names are tokens, values printable ASCII, lines end in CRLF, no field comes
twice, and nothing frames the body but one plain Content-Length (RFC 9112 §2-§6, RFC 9110 §5).

A client's next head on a connection is mostly the one before with another length: that is seen by
comparing bytes, and read no second time.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.proxy.notes import Notes
from gateway.proxy.seams import RawHeaders

# As aiohttp bounds a single line; an SDK's whole head has some 800 bytes.
HEAD_BYTES_MAX = 8190
FIELDS_MAX = 100
_NAMES_MAX = 1024

LENGTH_DIGITS_MAX = 10

_LINE_END = b"\r\n"
_END = b"\r\n\r\n"
# Regular expressions take some 35 instructions for a byte (CPython 3.11), so they read only what is
# short. Possessive: what does not match at once does not match, in linear time.
_REQUEST_LINE = re.compile(rb"POST (/[!\"$-~]*+) HTTP/1\.1")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_TEXT = bytes([ord("\t"), *range(ord(" "), ord("~") + 1)])
_LENGTH = b"content-length"

# Framing and upgrades, and what is answered before the body is there.
_NOT_PLAIN = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"content-encoding"})


class _Lowered(dict[bytes, bytes]):
    """Names in lower case, kept: the same few come with every call. Strangers make some up, so it
    is bounded. What is no name becomes an empty one."""

    def __missing__(self, name: bytes) -> bytes:
        lowered = b"" if _NAME.fullmatch(name) is None else name.lower()
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

    said: "Said"
    fields: RawHeaders
    headers: PlainHeaders
    size: int
    body_bytes: int


class Said:
    """All of a head but how long the body is.

    It holds the head as it came, and so a key: it is to be kept no longer than the same is likely
    to be said again.
    """

    __slots__ = (
        "_after",
        "_before",
        "_fields",
        "_length_at",
        "_values",
        "notes",
        "path",
        "query_string",
    )

    def __init__(
        self,
        head: bytes,
        target: str,
        *,
        fields: list[tuple[bytes, bytes]],
        values: dict[bytes, bytes],
    ) -> None:
        """`head`: all its bytes; `values`: by lower-case name, in the order of `fields`."""
        self.path, _, self.query_string = target.partition("?")
        self.notes = Notes()
        self._fields = fields
        self._values = values
        self._length_at = list(values).index(_LENGTH)
        name, length = fields[self._length_at]
        line = b"\r\n%b: " % name
        # No other line begins so, and nothing but lines holds a line break.
        length_from = head.index(line) + len(line)
        self._before = head[:length_from]
        self._after = head[length_from + len(length) :]

    def again(self, data: bytes) -> PlainHead | None:
        """What `read_head` answers for `data`, if that begins with the same."""
        before, after = self._before, self._after
        length_from = len(before)
        length_to = data.find(b"\r", length_from, length_from + LENGTH_DIGITS_MAX + 1)
        length = data[length_from:length_to]
        size = length_to + len(after)
        if length_to < 0 or not length.isdigit() or size > HEAD_BYTES_MAX:
            return None
        if not data.startswith(before) or not data.startswith(after, length_to):
            return None
        fields, values = self._fields.copy(), self._values.copy()
        fields[self._length_at] = (fields[self._length_at][0], length)
        values[_LENGTH] = length
        return PlainHead(self, fields, PlainHeaders(values), size, int(length))


def read_head(data: bytes) -> PlainHead | None:
    """The head that `data` begins with; None unless all of it is there, and it is plain."""
    end = data.find(_END, 0, HEAD_BYTES_MAX)
    if end < 0:
        return None
    block = data[:end]
    line, *lines = block.split(_LINE_END)
    asked = _REQUEST_LINE.fullmatch(line)
    if asked is None or len(lines) > FIELDS_MAX:
        return None
    # Beside text there is nothing but the ends of these lines.
    if block.translate(None, _TEXT) != _LINE_END * len(lines):
        return None
    fields = [(name, value) for name, _, value in [each.partition(b": ") for each in lines]]
    values = {_LOWERED[name]: value for name, value in fields}
    if len(values) != len(fields) or not _plain(values):
        return None
    size = end + len(_END)
    said = Said(data[:size], asked[1].decode("ascii"), fields=fields, values=values)
    return PlainHead(said, fields, PlainHeaders(values), size, int(values[_LENGTH]))


def _plain(values: dict[bytes, bytes]) -> bool:
    texts = list(values.values())
    # What stands around a value is trimmed by some readers.
    if b"" in values or not all(texts) or list(map(bytes.strip, texts)) != texts:
        return False
    if b"host" not in values or not _NOT_PLAIN.isdisjoint(values):
        return False
    if values.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return False
    length = values.get(_LENGTH, b"")
    return len(length) <= LENGTH_DIGITS_MAX and length.isdigit()
