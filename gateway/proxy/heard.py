"""What a client heard of a job that runs, by listening to the answer as it is made.

A job that is cancelled may never tell what it used: then it owes what was heard of it.
"""

from gateway.dialects.base import AnswerReader
from gateway.metering.usage import Usage
from gateway.tokens.base import TokenCounter


class Heard:
    """Counts one stream's output; `feed` it a copy."""

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self.feed = reader.feed

    async def output(self, counter: TokenCounter, *, model: str) -> Usage:
        """To be asked once, when the stream has ended."""
        self._reader.close()
        texts: dict[str, list[str]] = {}
        for piece in self._reader.digest():
            texts.setdefault(piece.stream, []).append(piece.text)
        tokens = await counter.count(model, ["".join(parts) for parts in texts.values()])
        return Usage(output_text=tokens) + self._reader.extra.output_part
