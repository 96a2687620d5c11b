"""What the simulator really produced, request by request: the tests' and the demo's witness."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ENTRIES_MAX = 2_000


class Departure(StrEnum):
    """How a request ended, as seen from the provider."""

    RUNNING = "running"
    COMPLETED = "completed"
    CLIENT_LEFT = "client_left"
    BROKEN_OFF = "broken_off"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request. Times are seconds of the event loop's clock; 0 means not yet.

    `tokens` and `texts` (one per choice) are what went out, not what was planned; so is `made`,
    whatever else is sold by the piece (pictures, seconds), by name.
    """

    request_id: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    began_s: float
    status: int = 200
    model: str = ""
    stream: bool = False
    prompt_tokens: int = 0
    tokens: int = 0
    texts: list[str] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    departure: Departure = Departure.RUNNING
    ended_s: float = 0.0

    def produced(
        self,
        *,
        tokens: int,
        text: str = "",
        choice: int = 0,
        made: Mapping[str, int] | None = None,
    ) -> None:
        self.tokens += tokens
        for piece, count in (made or {}).items():
            self.made[piece] = self.made.get(piece, 0) + count
        self.texts.extend([""] * (choice + 1 - len(self.texts)))
        self.texts[choice] += text

    def public(self) -> dict[str, object]:
        """Without headers and bodies, which hold credentials and prompts."""
        return {
            "request_id": self.request_id,
            "path": self.path,
            "status": self.status,
            "model": self.model,
            "stream": self.stream,
            "prompt_tokens": self.prompt_tokens,
            "tokens": self.tokens,
            "made": self.made,
            "departure": self.departure,
            "began_s": self.began_s,
            "ended_s": self.ended_s,
        }


class Journal:
    """The latest entries, oldest first; `total` counts the forgotten ones as well."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self.entries: deque[Entry] = deque(maxlen=entries_max)
        self.total = 0
        self._changed = asyncio.Event()

    def begin(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.total += 1
        self.changed()

    def end(self, entry: Entry, departure: Departure, *, now_s: float) -> None:
        entry.departure = departure
        entry.ended_s = now_s
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits for an entry to look a certain way."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, true: Callable[["Journal"], bool], *, timeout_s: float = 5.0) -> None:
        """Until the journal is as asked; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not true(self):
                await self._changed.wait()
