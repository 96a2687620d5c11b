"""Takes the usage event out of a stream again when we, not the caller, asked for it.

The event is the one whose `choices` is an empty array and which has a usage object (OpenAI API
reference, `stream_options.include_usage`). Azure's first event has empty choices too, but no
usage: it passes. So does an event that also tells what it cost: OpenRouter sends it to everybody,
asked or not. All other bytes pass unchanged, cut wherever they were cut.

The other chunks of such a stream say `"usage":null`, which they would not if we had not asked.
That stays: clients take the field as optional, and to remove it every chunk would be rewritten.
"""

import re
from collections.abc import Iterator

import orjson

from gateway.dialects.sse import BOM, first_event_end, last_event_end, payload

# The event we look for takes less than 1 KB; a larger one is another, and is not held back.
EVENT_BYTES_MAX = 16 * 1024

# Every usage object has it, inside a JSON string its quotes would be escaped, and of all such
# marks this one is found absent the fastest.
_MARK = b'"completion_tokens"'
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
        if not data:
            return b""
        text = self._held + data
        # From the end: that is where the event is, and absence is found in a third of the time.
        marked = text.rfind(_MARK) >= 0
        complete = text.endswith(b"\n\n")
        if complete and not marked and not self._passing and self._after_cr is None:
            self._held = b""
            return text
        return self._sift(text, marked=marked)

    def close(self) -> bytes:
        """What was held back: an event that never ended is not ours to judge."""
        rest, self._held = self._held, b""
        return rest

    def _sift(self, text: bytes, *, marked: bool) -> bytes:
        passed: list[bytes] = []
        if self._after_cr is not None:
            if text.startswith(b"\n"):
                passed += [b"\n"] if self._after_cr else []
                text = text[1:]
            self._after_cr = None
        end = last_event_end(text, len(text))
        at, keep = 0, True
        if marked:
            # The rest of an event that was let through in part is not judged again.
            start = first_event_end(text, 0) if self._passing and end else 0
            for first, last in _usage_events(text, start=start, end=end):
                passed.append(text[at:first])
                at, keep = last, last != end
        self._passing = self._passing and not end
        passed.append(text[at:end])
        if end == len(text) and text.endswith(b"\r"):
            self._after_cr = keep
        passed.append(self._release(text[end:]))
        return b"".join(passed)

    def _release(self, rest: bytes) -> bytes:
        """As much of an incomplete event as may go now."""
        self._held = rest
        if not (self._passing or len(rest) > EVENT_BYTES_MAX or _HAS_CHOICE.search(rest)):
            return b""
        self._passing = True
        # A lone line end may be the first half of a blank line.
        tail = rest[-_LINE_END_BYTES_MAX:]
        cut = len(rest) - len(tail) + len(tail.rstrip(b"\r\n"))
        self._held = rest[cut:]
        return rest[:cut]


def _usage_events(text: bytes, *, start: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last offset of each usage event, its blank line included, in text[start:end]."""
    at = text.find(_MARK, start, end)
    while at >= 0:
        first = max(start, last_event_end(text, at))
        last = first_event_end(text, at)
        event = text[first:last]
        if _is_usage_event(event):
            # An empty line before an event is no part of it.
            yield last - len(event.lstrip(b"\r\n")), last
        at = text.find(_MARK, last, end)


def _is_usage_event(event: bytes) -> bool:
    if len(event) > EVENT_BYTES_MAX or _HAS_CHOICE.search(event):
        return False
    lines = event.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        document = orjson.loads(payload(lines) or b"")
    except orjson.JSONDecodeError:
        return False
    if not isinstance(document, dict) or document.get("choices") != []:
        return False
    usage = document.get("usage")
    return isinstance(usage, dict) and "cost" not in usage
