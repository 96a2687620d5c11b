"""Event streams: which payloads have arrived, and whether the bytes end between two events.

Follows "Server-sent events", section 9.2 of the WHATWG HTML standard (read 2026-11-23): lines
end in CR, LF or CRLF, a leading byte order mark is skipped, a blank line ends an event, its
`data` lines are joined by LF, comments and other fields do not matter here. Bytes are kept as
they come and cut only when asked: most streams are never looked at but for their tail. Knows
nothing of what a payload means.
"""

import re
from itertools import chain

# The longest event seen from a vendor (a large image in one event) stays below this.
EVENT_BYTES_MAX = 8 * 1024 * 1024

BOM = b"\xef\xbb\xbf"
# The group is atomic so that one CRLF is never taken for two line ends.
BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n){2}")
_LINE_ENDS_MAX = 4


def payload(event: bytes) -> bytes | None:
    """The data of one event whose lines end in LF; None when it has no data line."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    data = [
        line[5:].removeprefix(b" ")
        for line in event.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(data) if data else None


def ends_event(tail: bytes) -> bool:
    """Whether a stream that ends in these bytes (at least the last four) ends in a blank line."""
    lines = tail[-_LINE_ENDS_MAX:].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return lines.endswith(b"\n\n")


class EventBuffer:
    """Keeps a stream's bytes until `take` cuts the complete events off.

    An event longer than EVENT_BYTES_MAX is dropped up to its end: nothing in it can be read.
    """

    __slots__ = (
        "_before",
        "_new",
        "_open",
        "_open_bytes",
        "_skip_lf",
        "_skipping",
        "_started",
        "pending_bytes",
    )

    def __init__(self) -> None:
        self._new: list[bytes] = []
        # The event still open, already searched for its end, with plain line ends.
        self._open: list[bytes] = []
        self._open_bytes = 0
        self.pending_bytes = 0
        # What was fed before `_new`, as far as it decides whether an event is open.
        self._before = b"\n\n"
        self._started = False
        self._skip_lf = False
        self._skipping = False

    def feed(self, data: bytes) -> None:
        self._new.append(data)
        self.pending_bytes += len(data)

    def tail(self, size: int) -> bytes:
        """The end of what is pending: at least `size` bytes if there are as many."""
        picked: list[bytes] = []
        room = size
        for piece in chain(reversed(self._new), reversed(self._open)):
            picked.append(piece)
            room -= len(piece)
            if room <= 0:
                break
        picked.reverse()
        return b"".join(picked)

    @property
    def at_boundary(self) -> bool:
        last = b"".join(self._new[-_LINE_ENDS_MAX:])
        if len(last) < _LINE_ENDS_MAX:
            last = self._before + b"".join(self._new)
        return ends_event(last)

    def take(self, *, final: bool = False) -> list[bytes]:
        """The payloads of the complete events, which are forgotten here; the rest stays.

        `final`: the stream is over, so its end closes the last event. The standard drops such
        an event, but what a provider reported in it is still true.
        """
        raw = b"".join(self._new)
        self._new.clear()
        self._before = (self._before + raw[-_LINE_ENDS_MAX:])[-_LINE_ENDS_MAX:]
        text = self._with_plain_line_ends(raw)
        seam = self._open[-1][-1:] if self._open else b""
        end = len(text) if final else (seam + text).rfind(b"\n\n") + 2 - len(seam)
        complete = b""
        if final or end > 1 - len(seam):
            complete = b"".join((*self._open, text[:end]))
            self._open.clear()
            self._open_bytes = 0
            text = text[end:]
        self._keep(text)
        return self._payloads(complete) if complete else []

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
        if self._open_bytes > EVENT_BYTES_MAX or (self._skipping and self._open):
            self._skipping = True
            # The last byte may be half of the blank line that ends the event.
            self._open = [self._open[-1][-1:]]
            self._open_bytes = 1
        self.pending_bytes = self._open_bytes

    def _payloads(self, complete: bytes) -> list[bytes]:
        if not self._started:
            self._started = True
            complete = complete.removeprefix(BOM)
        events = complete.split(b"\n\n")
        if self._skipping:
            self._skipping = False
            del events[0]
        return [
            found
            for event in events
            if len(event) <= EVENT_BYTES_MAX and (found := payload(event)) is not None
        ]
