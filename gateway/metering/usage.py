"""What one call used, split into classes that never overlap.

Vendors disagree on whether cached, reasoning or audio tokens sit inside their totals.
Dialects remove that difference, so adding any of these fields is always right.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter

from gateway.values import call_value


class TokenClass(StrEnum):
    """The disjoint classes; each is a field of `Usage` and a possible rate on the card."""

    INPUT_UNCACHED = "input_uncached"
    INPUT_CACHE_READ = "input_cache_read"
    INPUT_CACHE_WRITE_5M = "input_cache_write_5m"
    INPUT_CACHE_WRITE_1H = "input_cache_write_1h"
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT_TEXT = "output_text"
    OUTPUT_REASONING = "output_reasoning"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"


class Provenance(StrEnum):
    """Where a usage came from, best first. HELD is an incident: nothing could be counted."""

    REPORTED = "reported"
    COUNTED = "counted"
    HELD = "held"


@call_value
class Usage:
    """Tokens of one call by class; each a non-negative integer."""

    input_uncached: int = 0
    input_cache_read: int = 0
    input_cache_write_5m: int = 0
    input_cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output_text: int = 0
    output_reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0

    @property
    def input_tokens(self) -> int:
        return (
            self.input_uncached
            + self.input_cache_read
            + self.input_cache_write_5m
            + self.input_cache_write_1h
            + self.input_audio
            + self.input_image
        )

    @property
    def output_tokens(self) -> int:
        return self.output_text + self.output_reasoning + self.output_audio + self.output_image

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def in_order(self) -> tuple[int, ...]:
        """All classes, in the order of `TokenClass`."""
        return _values(self)

    def nonzero(self) -> dict[str, int]:
        """The classes that occurred, by name: what events and receipts store."""
        return {name: tokens for name in _FIELDS if (tokens := getattr(self, name))}


_FIELDS = tuple(field.name for field in fields(Usage))
_values: Callable[[Usage], tuple[int, ...]] = attrgetter(*TokenClass)


@dataclass(frozen=True, slots=True)
class UsageReport:
    usage: Usage
    provenance: Provenance
