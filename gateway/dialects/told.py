"""The story of an answer that has no texts: what it reports, and nothing else."""

from gateway.dialects.base import OutputPiece, Reported
from gateway.metering.usage import NOTHING, Usage


class Told:
    """Implements `Story` (`story_readers.py`)."""

    __slots__ = ("reported",)

    def __init__(self, reported: Reported | None) -> None:
        self.reported = reported

    @property
    def extra(self) -> Usage:
        return NOTHING

    def take_pieces(self) -> list[OutputPiece]:
        return []
