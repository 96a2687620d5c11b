"""Event streams: which payloads have arrived, and where an event ends.

Follows "Server-sent events", section 9.2 of the WHATWG HTML standard (read 2026-11-23): lines
end in CR, LF or CRLF, a leading byte order mark is skipped, a blank line ends an event, its
`data` lines are joined by LF, comments and other fields do not matter here. Bytes are kept as
they come and cut only when asked: most streams are never looked at but for their tail. Knows
nothing of what a payload means.
"""

from collections.abc import Iterator
from itertools import chain

# The longest event seen from a vendor (a large image in one event) stays below this.
EVENT_BYTES_MAX = 8 * 1024 * 1024

BOM = b"\xef\xbb\xbf"
_BLANK_PAIRS = (b"\n\n", b"\n\r", b"\r\r")


def payload(event: bytes) -> bytes | None:
    """The data of one event whose lines end in LF; None when it has no data line."""
    # Two of three vendors name the event on a line before.
    line = event.partition(b"\n")[2] if event.startswith(b"event: ") else event
    if line.startswith(b"data: ") and b"\n" not in line:
        return line[6:]
    data = [
        line[5:].removeprefix(b" ")
        for line in event.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(data) if data else None


def _plain_payloads(complete: bytes, event_bytes_max: int) -> list[bytes] | None:
    """The payloads if every event is one `data: ` line, as nearly all are: one split for all."""
    if not (complete.startswith(b"data: ") and complete.endswith(b"\n\n")):
        return None
    payloads = complete[6:-2].split(b"\n\ndata: ")
    short = len(complete) <= event_bytes_max
    return payloads if short and complete.count(b"\n") == 2 * len(payloads) else None


def first_event_end(text: bytes, start: int) -> int:
    """Where the first blank line at or after `start` ends; -1 without one."""
    end = text.find(b"\n\n", start)
    if b"\r" not in text:
        return end + 2 if end >= 0 else -1
    # Every blank line holds one of these pairs, whatever the line ends are.
    ends = [end for pair in _BLANK_PAIRS if (end := text.find(pair, start)) >= 0]
    return _after_pair(text, min(ends)) if ends else -1


def last_event_end(text: bytes, stop: int) -> int:
    """Where the last blank line before `stop` ends; 0 without one."""
    end = text.rfind(b"\n\n", 0, stop)
    if b"\r" not in text:
        return end + 2 if end >= 0 else 0
    end = max(text.rfind(pair, 0, stop) for pair in _BLANK_PAIRS)
    return _after_pair(text, end) if end >= 0 else 0


def line_around(text: bytes, at: int) -> bytes:
    """The line that byte `at` stands in, without its end."""
    begin = text.rfind(b"\n", 0, at) + 1
    begin = max(begin, text.rfind(b"\r", begin, at) + 1)
    # Here `find` is many times faster than a pattern for either line end.
    return text[begin:].partition(b"\n")[0].partition(b"\r")[0]


def _after_pair(text: bytes, at: int) -> int:
    crlf = text[at + 1 : at + 3] == b"\r\n"
    return at + 3 if crlf else at + 2


def last_payloads(tail: bytes, count: int) -> Iterator[bytes]:
    """The payloads among the last so many events, the last first, from the end of a stream.

    The first of them may have been cut: then it is none, or no JSON.
    """
    text = tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in tail else tail
    for event in reversed(text.rstrip(b"\n").rsplit(b"\n\n", count)[-count:]):
        found = payload(event.lstrip(b"\n"))
        if found is not None:
            yield found


class EventBuffer:
    """Keeps a stream's bytes until `take` cuts the complete events off.

    An event longer than `event_bytes_max` is dropped up to its end: nothing in it can be read.
    """

    __slots__ = (
        "_event_bytes_max",
        "_new",
        "_open",
        "_open_bytes",
        "_skip_lf",
        "_skipping",
        "_started",
        "pending_bytes",
    )

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._new: list[bytes] = []
        # The event still open, already searched for its end, with plain line ends.
        self._open: list[bytes] = []
        self._open_bytes = 0
        self.pending_bytes = 0
        self._started = False
        self._skip_lf = False
        self._skipping = False

    def feed(self, data: bytes) -> None:
        self._new.append(data)
        self.pending_bytes += len(data)

    def boundary(self, data: bytes, start: int) -> int:
        """Where the first event that begins at `start` ends; -1 while it is incomplete."""
        return first_event_end(data, start)

    def withdraw(self) -> None:
        """What was taken last was not relayed. Another event may take its place as it is."""

    def tail(self, size: int) -> bytes:
        """The end of what is pending: at least `size` bytes if there are as many."""
        if self._new and len(self._new[-1]) >= size:
            return self._new[-1]
        picked: list[bytes] = []
        room = size
        for piece in chain(reversed(self._new), reversed(self._open)):
            picked.append(piece)
            room -= len(piece)
            if room <= 0:
                break
        picked.reverse()
        return b"".join(picked)

    def take(self, *, final: bool = False) -> list[bytes]:
        """The payloads of the complete events, which are forgotten here; the rest stays.

        `final`: the stream is over, so its end closes the last event. The standard drops such
        an event, but what a provider reported in it is still true.
        """
        raw = b"".join(self._new)
        self._new.clear()
        text = self._with_plain_line_ends(raw)
        seam = self._open[-1][-1:] if self._open else b""
        end = len(text) if final else (seam + text).rfind(b"\n\n") + 2 - len(seam)
        complete = b""
        if final or end > 1 - len(seam):
            complete = b"".join((*self._open, text[:end]))
            self._open.clear()
            self._open_bytes = 0
            text = text[end:]
        payloads = self._payloads(complete) if complete else []
        self._keep(text)
        return payloads

    def _with_plain_line_ends(self, raw: bytes) -> bytes:
        if self._skip_lf and raw:
            # The LF of a CRLF whose CR already ended the line.
            raw = raw.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" not in raw:
            return raw
        self._skip_lf = raw.endswith(b"\r")
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, text: bytes) -> None:
        if text:
            self._open.append(text)
            self._open_bytes += len(text)
        if self._open_bytes > self._event_bytes_max or (self._skipping and self._open):
            self._skipping = True
            # The last byte may be half of the blank line that ends the event.
            self._open = [self._open[-1][-1:]]
            self._open_bytes = 1
        self.pending_bytes = self._open_bytes

    def _payloads(self, complete: bytes) -> list[bytes]:
        if not self._started:
            self._started = True
            complete = complete.removeprefix(BOM)
        if not self._skipping and (plain := _plain_payloads(complete, self._event_bytes_max)):
            return plain
        events = complete.split(b"\n\n")
        if self._skipping:
            self._skipping = False
            del events[0]
        return [
            found
            for event in events
            if len(event) <= self._event_bytes_max and (found := payload(event)) is not None
        ]
