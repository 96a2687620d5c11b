"""Takes the usage event out of a stream again when we, not the caller, asked for it.

The event is the one whose `choices` is an empty array and which has a usage object (OpenAI API
reference, `stream_options.include_usage`). Azure's first event has empty choices too, but no
usage: it passes. All other bytes pass unchanged, cut wherever they were cut.
"""

import re

import orjson

from gateway.dialects.sse import BLANK_LINE, BOM, payload

# The event we look for takes less than 1 KB; a larger one is another, and is not held back.
EVENT_BYTES_MAX = 16 * 1024

# Every usage object has it, and inside a JSON string its quotes would be escaped.
_MARK = b'"prompt_tokens"'
_HAS_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*[^\s\]]')
_LINE_END_BYTES_MAX = 2


class UsageFilter:
    """Holds back at most the last, incomplete event, and only while it may be the usage event."""

    __slots__ = ("_after_cr", "_held", "_passing")

    def __init__(self) -> None:
        self._held = b""
        # The event at hand was already let through in part: the rest of it follows.
        self._passing = False
        # The last blank line ended in CR; a LF that follows shares its fate: kept or dropped.
        self._after_cr: bool | None = None

    def feed(self, data: bytes) -> bytes:
        if (
            not self._held
            and not self._passing
            and self._after_cr is None
            and data.endswith(b"\n\n")
            and _MARK not in data
        ):
            return data
        return self._sift(data) if data else b""

    def close(self) -> bytes:
        """What was held back: an event that never ended is not ours to judge."""
        rest, self._held = self._held, b""
        return rest

    def _sift(self, data: bytes) -> bytes:
        passed: list[bytes] = []
        if self._after_cr is not None:
            if data.startswith(b"\n"):
                passed += [b"\n"] if self._after_cr else []
                data = data[1:]
            self._after_cr = None
        text = self._held + data
        self._held = b""
        at = 0
        for blank in BLANK_LINE.finditer(text):
            keep = self._passing or not _is_usage_event(text[at : blank.start()])
            self._passing = False
            if keep:
                passed.append(text[at : blank.end()])
            else:
                passed.append(_leading_line_ends(text[at : blank.start()]))
            at = blank.end()
            if at == len(text) and text.endswith(b"\r"):
                self._after_cr = keep
        passed.append(self._release(text[at:]))
        return b"".join(passed)

    def _release(self, rest: bytes) -> bytes:
        """As much of an incomplete event as may go now."""
        room = EVENT_BYTES_MAX + _LINE_END_BYTES_MAX
        if not self._passing and len(rest) <= room and not _HAS_CHOICE.search(rest):
            self._held = rest
            return b""
        self._passing = True
        # A lone line end may be the first half of a blank line.
        tail = rest[-_LINE_END_BYTES_MAX:]
        cut = len(rest) - len(tail) + len(tail.rstrip(b"\r\n"))
        self._held = rest[cut:]
        return rest[:cut]


def _is_usage_event(event: bytes) -> bool:
    if _MARK not in event or len(event) > EVENT_BYTES_MAX or _HAS_CHOICE.search(event):
        return False
    lines = event.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        document = orjson.loads(payload(lines) or b"")
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(document, dict)
        and document.get("choices") == []
        and isinstance(document.get("usage"), dict)
    )


def _leading_line_ends(event: bytes) -> bytes:
    """Blank lines before an event's first line are no part of it."""
    return event[: len(event) - len(event.lstrip(b"\r\n"))]
