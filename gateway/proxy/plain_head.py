"""The head of a plain request, read in one go.

Nearly all calls are one `POST` with a length, of an SDK that writes the same dozen fields each
time. Such a head is read here line by line, and most lines were read before; whatever is anything
else, or in any doubt, is not read at all (None) and left to aiohttp's parser, which knows all of
HTTP and refuses what is none of it. So nothing is accepted here that two readers could understand
differently: field names are tokens, values printable ASCII, lines end in CRLF, no field comes
twice, and nothing frames the body but one plain Content-Length (RFC 9112 §2-§6, RFC 9110 §5).

A client's next head on a connection is mostly the one before with another length: that is seen by
comparing bytes, and read no second time.
"""

import re
from collections.abc import Iterator, Mapping

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
# What stands around a value is trimmed by some readers.
_VALUE = re.compile(rb"[!-~]++(?:[\t ]++[!-~]++)*+")
_LENGTH = b"content-length"

_LINES_MAX = 1024
_LINE_BYTES_MAX = 128
_NOT_KEPT = frozenset(
    {
        *(b"authorization", b"proxy-authorization", b"x-api-key", b"api-key", b"x-goog-api-key"),
        *(b"ocp-apim-subscription-key", b"cookie", _LENGTH),
    }
)

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


_Line = tuple[bytes, bytes, tuple[bytes, bytes]]
"""A field's name in lower case, its value, and both as they came."""
_IN_DOUBT: _Line = (b"", b"", (b"", b""))


class _Lines(dict[bytes, _Line]):
    """Fields by their lines, kept: of a dozen, one or two differ from call to call. Bounded: who
    fills it begins anew. A key is not kept."""

    def __missing__(self, line: bytes) -> _Line:
        name, _, value = line.partition(b": ")
        lowered = _LOWERED[name]
        if not lowered or _VALUE.fullmatch(value) is None:
            return _IN_DOUBT
        read = (lowered, value, (name, value))
        if len(line) <= _LINE_BYTES_MAX and lowered not in _NOT_KEPT:
            if len(self) >= _LINES_MAX:
                self.clear()
            self[line] = read
        return read


_LINES = _Lines()


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
        "size",
    )

    def __init__(
        self,
        head: bytes,
        target: str,
        *,
        fields: RawHeaders,
        values: dict[bytes, bytes],
        length_at: int,
    ) -> None:
        """`head`: all its bytes; `values`: by lower-case name; `length_at`: among the fields."""
        self.path, _, self.query_string = target.partition("?")
        self.notes = Notes()
        self._fields = fields
        self._values = values
        self._length_at = length_at
        name, length = fields[length_at]
        line = b"\r\n%b: " % name
        # No other line begins so, and nothing but lines holds a line break.
        length_from = head.index(line) + len(line)
        self._before = head[:length_from]
        self._after = head[length_from + len(length) :]
        self.size = len(head) - len(length)
        """In bytes, without the digits of the length."""

    def again(self, data: bytes) -> bytes | None:
        """The length that `read_head` answers for `data`, if that begins with the same."""
        before, after = self._before, self._after
        length_from = len(before)
        length = data[length_from : length_from + LENGTH_DIGITS_MAX + 1].partition(b"\r")[0]
        after_from = length_from + len(length)
        size = after_from + len(after)
        # What comes after the length begins with the end of its line.
        if data[:length_from] != before or data[after_from:size] != after:
            return None
        return length if length.isdigit() and size <= HEAD_BYTES_MAX else None

    def headers(self, length: bytes) -> PlainHeaders:
        """With that length."""
        values = self._values.copy()
        values[_LENGTH] = length
        return PlainHeaders(values)

    def fields(self, length: bytes) -> RawHeaders:
        """As they came, with that length."""
        fields = list(self._fields)
        fields[self._length_at] = (fields[self._length_at][0], length)
        return fields


def read_head(data: bytes) -> tuple[Said, bytes] | None:
    """The head that `data` begins with, and the digits of its length; None unless all of it is
    there, and it is plain."""
    end = data.find(_END, 0, HEAD_BYTES_MAX)
    if end < 0:
        return None
    head = data[: end + len(_END)]
    line, *lines = data[:end].split(_LINE_END)
    asked = _REQUEST_LINE.fullmatch(line)
    if asked is None or not 0 < len(lines) <= FIELDS_MAX:
        return None
    names, texts, fields = zip(*map(_LINES.__getitem__, lines), strict=True)
    values = dict(zip(names, texts, strict=True))
    if len(values) != len(lines) or not _plain(values):
        return None
    said = Said(
        head,
        asked[1].decode("ascii"),
        fields=fields,
        values=values,
        length_at=names.index(_LENGTH),
    )
    return said, values[_LENGTH]


def _plain(values: dict[bytes, bytes]) -> bool:
    if b"" in values or b"host" not in values or not values.keys().isdisjoint(_NOT_PLAIN):
        return False
    if values.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return False
    length = values.get(_LENGTH, b"")
    return len(length) <= LENGTH_DIGITS_MAX and length.isdigit()
