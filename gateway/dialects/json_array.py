"""A JSON array as it arrives: its elements one by one, however the bytes were cut.

Gemini streams `[{...},\r\n{...}]` when it is not asked for events. Only the nesting is looked at
(RFC 8259): what is no JSON is passed over until the brackets say that an element has ended. Knows
nothing of what an element means.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

# As long as the longest event of a stream (see `sse.py`).
ELEMENT_BYTES_MAX = 8 * 1024 * 1024

# A whole string, the first quote of an unfinished one, or a bracket. Possessive: an unfinished
# string is given up in one step.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+(?P<end>"?)', re.DOTALL)
_BETWEEN = re.compile(rb"[\[\]{,]")
_QUOTE, _BACKSLASH = b'"\\'


class Phase(Enum):
    """Where in the array the bytes have come to."""

    BEFORE = "before"
    OPENED = "opened"
    INSIDE = "inside"
    """In the middle of an element."""
    AFTER = "after"
    """An element has ended; what follows is a comma or the array's end."""
    COMMA = "comma"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Place:
    """`depth`: brackets open inside the element. `bare`: no array at all but one value."""

    phase: Phase = Phase.BEFORE
    depth: int = 0
    quoted: bool = False
    escaped: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How far a text led: `start` of the element it is in (its own start if that came earlier)
    and its `end`, or -1 while that has not come. `start` is -1 without an element."""

    place: Place
    start: int
    end: int


def step(text: bytes, at: int, place: Place) -> Step:
    """Read on from `at`, up to the end of one element."""
    start = at
    if place.phase is not Phase.INSIDE:
        start, place = _to_element(text, at, place)
        if start < 0:
            return Step(place, -1, -1)
        at = start
    end, place = _to_its_end(text, at, place)
    return Step(place, start, end)


def _to_element(text: bytes, at: int, place: Place) -> tuple[int, Place]:
    phase = place.phase
    for found in _BETWEEN.finditer(text, at):
        mark = found[0]
        if phase is Phase.CLOSED:
            break
        if mark == b"[" and phase is Phase.BEFORE:
            phase = Phase.OPENED
        elif mark in (b"{", b"["):
            return found.start(), Place(Phase.INSIDE, bare=phase is Phase.BEFORE)
        elif mark == b"]" and phase is not Phase.BEFORE:
            phase = Phase.CLOSED
        elif mark == b"," and phase is Phase.AFTER:
            phase = Phase.COMMA
    return -1, Place(phase)


def _to_its_end(text: bytes, at: int, place: Place) -> tuple[int, Place]:
    depth = place.depth
    if place.quoted:
        at += place.escaped
        rest = _REST_OF_STRING.match(text, at)
        assert rest is not None
        if not rest["end"]:
            escaped = place.escaped and at > len(text)
            return -1, replace(place, escaped=escaped or rest.end() < len(text))
        at = rest.end()
    for token in _TOKEN.finditer(text, at):
        first = text[token.start()]
        if first == _QUOTE:
            if token.end() - token.start() == 1:
                return -1, _in_string(text, token.end(), place, depth=depth)
        elif first in b"[{":
            depth += 1
        else:
            depth -= 1
            if depth <= 0:
                return token.end(), Place(Phase.CLOSED if place.bare else Phase.AFTER)
    return -1, replace(place, depth=depth, quoted=False, escaped=False)


def _in_string(text: bytes, at: int, place: Place, *, depth: int) -> Place:
    rest = _REST_OF_STRING.match(text, at)
    # What is left of it is a lone backslash: what it escapes is still to come.
    escaped = rest is not None and rest.end() < len(text)
    return replace(place, depth=depth, quoted=True, escaped=escaped)


class ElementBuffer:
    """Keeps an array's bytes until `take` cuts the complete elements off.

    An element longer than ELEMENT_BYTES_MAX is dropped: nothing in it can be read.
    """

    __slots__ = ("_before", "_new", "_open", "_open_bytes", "_place", "pending_bytes", "relayed")

    def __init__(self) -> None:
        self._new: list[bytes] = []
        # The element still open, already searched for its end.
        self._open: list[bytes] = []
        self._open_bytes = 0
        self.pending_bytes = 0
        self._place = Place()
        self.relayed = self._before = Phase.BEFORE
        """How far the array has come for whoever gets what is relayed."""

    def feed(self, data: bytes) -> None:
        self._new.append(data)
        self.pending_bytes += len(data)

    def tail(self, size: int) -> bytes:  # noqa: ARG002 (what framings are asked)
        """Nothing: where an element begins is not seen from its end."""
        return b""

    def boundary(self, data: bytes, start: int) -> int:
        """Where the element that comes next ends; -1 while it is incomplete. What is before
        `start` was fed and taken."""
        return step(data, start, self._place).end

    def withdraw(self) -> None:
        """What was taken last was not relayed."""
        self.relayed = self._before

    def take(self, *, final: bool = False) -> Sequence[bytes]:
        """The complete elements, which are forgotten here; the rest stays.

        `final`: the stream is over, and what is left of an element is worth nothing.
        """
        text = b"".join(self._new)
        self._new.clear()
        elements: list[bytes] = []
        at = 0
        while True:
            found = step(text, at, self._place)
            self._place = found.place
            if found.end < 0:
                break
            self._keep(text[found.start : found.end])
            if self._open_bytes <= ELEMENT_BYTES_MAX:
                elements.append(b"".join(self._open))
            self._forget()
            at = found.end
        if found.start >= 0:
            self._keep(text[found.start :])
        if final:
            self._forget()
        self._before, self.relayed = self.relayed, self._place.phase
        # What was dropped cannot be counted any more; that something is open still shows.
        self.pending_bytes = self._open_bytes if self._open else min(1, self._open_bytes)
        return elements

    def _keep(self, text: bytes) -> None:
        self._open_bytes += len(text)
        if self._open_bytes <= ELEMENT_BYTES_MAX:
            self._open.append(text)
        else:
            self._open.clear()

    def _forget(self) -> None:
        self._open.clear()
        self._open_bytes = 0
