"""Where the members of a JSON object stand in its bytes, for splices and duplicate keys.

Works only on text that a strict parser has already accepted (RFC 8259), so nothing is checked
twice. Decoded objects cannot tell duplicate keys apart and cannot be written back byte for
byte; this can. Knows nothing of what the keys mean.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import orjson

_QUOTE, _COMMA, _CLOSING_BRACKET = b'",]'
_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]} \t\r\n]+")
_NESTING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Member:
    """One `key: value`; `start` and `end` enclose the value's bytes."""

    key: str
    start: int
    end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the object that begins at or after `start`, in the order they stand."""
    at = _after_space(text, _after_space(text, start) + 1)
    while text[at] == _QUOTE:  # another key; else it is the closing brace
        key_end = _end_of_string(text, at)
        value = _after_space(text, _after_space(text, key_end) + 1)
        end = _end_of_value(text, value)
        yield Member(orjson.loads(text[at:key_end]), value, end)
        at = _after_space(text, end)
        if text[at] == _COMMA:
            at = _after_space(text, at + 1)


def elements(text: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each element of the array that begins at or after `start`."""
    at = _after_space(text, _after_space(text, start) + 1)
    while text[at] != _CLOSING_BRACKET:
        end = _end_of_value(text, at)
        yield at, end
        at = _after_space(text, end)
        if text[at] == _COMMA:
            at = _after_space(text, at + 1)


def member(text: bytes, key: str) -> Member:
    """The first member with this key of the top-level object, which is known to have it."""
    quoted = b'"%b"' % key.encode()
    at = text.find(quoted)
    # Quotes inside a string are escaped, so a lone hit can only be the key itself.
    if at >= 0 and text.find(quoted, at + 1) < 0 and not spells_letters(text):
        value = _after_space(text, _after_space(text, at + len(quoted)) + 1)
        return Member(key, value, _end_of_value(text, value))
    return next(found for found in members(text) if found.key == key)


def replaced(text: bytes, value: Member, new: bytes) -> bytes:
    """The text with other bytes for that value."""
    return b"%b%b%b" % (text[: value.start], new, text[value.end :])


def replaced_each(text: bytes, values: Iterable[Member], new: bytes) -> bytes:
    """The same for several of them, in the order they stand."""
    pieces: list[bytes] = []
    at = 0
    for value in values:
        pieces += (text[at : value.start], new)
        at = value.end
    return b"".join([*pieces, text[at:]])


def inserted(text: bytes, at: int, new: bytes) -> bytes:
    return b"%b%b%b" % (text[:at], new, text[at:])


def spells_letters(text: bytes) -> bool:
    r"""Whether an ASCII letter or underscore is written as an escape (`mod\u0065l`)."""
    return rb"\u00" in text and (rb"\u006" in text or rb"\u007" in text or rb"\u005" in text)


def duplicate(text: bytes, keys: Collection[str], *, start: int = 0) -> str | None:
    """The first of `keys` that the object at `start` has twice, however it is spelled."""
    seen: set[str] = set()
    for found in members(text, start):
        if found.key in seen:
            return found.key
        if found.key in keys:
            seen.add(found.key)
    return None


def _after_space(text: bytes, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _end_of_string(text: bytes, at: int) -> int:
    match = _STRING.match(text, at)
    return match.end() if match else len(text)


def _end_of_value(text: bytes, at: int) -> int:
    first = text[at]
    if first == _QUOTE:
        return _end_of_string(text, at)
    if first not in b"[{":
        match = _SCALAR.match(text, at)
        return match.end() if match else len(text)
    depth = 0
    for token in _NESTING.finditer(text, at):
        begins = text[token.start()]
        if begins in b"[{":
            depth += 1
        elif begins in b"]}":
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)
