"""What the gateway asks of a token counter, and which model is counted with which vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# Text up to this size is encoded where it stands (≤ 1.4 ms); larger text leaves the event loop.
INLINE_CHARS_MAX = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingRule:
    """Models matching the glob are counted with `encoding`; the first matching rule wins.

    `percent` scales the count for vendors whose own vocabulary is not public: 100 is exact.
    """

    match: str
    encoding: str
    percent: int = 100


class StreamCount(Protocol):
    """A running count over text that arrives in pieces: exact however it was cut."""

    def feed(self, text: str) -> None: ...

    def total(self) -> int:
        """Tokens so far, the held-back tail included."""
        ...


class TokenCounter(Protocol):
    def open(self, model: str) -> StreamCount: ...

    async def count(self, model: str, texts: Sequence[str]) -> int:
        """Sum over `texts`, each encoded on its own; large text is encoded off the event loop."""
        ...
