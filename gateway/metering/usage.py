"""What one call used, split into classes that never overlap.

Vendors disagree on whether cached, reasoning or audio tokens sit inside their totals.
Dialects remove that difference, so adding any of these fields is always right. What is not sold
by the token (a picture, a second of speech, a web search) is counted in pieces beside them.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum

from gateway.values import call_value, maker, small_value


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


Pieces = tuple[tuple[str, int], ...]
"""How many of what, ordered by name; each name once. Names are dotted, the particular after the
general (`image.hd.1024x1792`): the rate card may price either."""


@call_value
class Usage:
    """Tokens of one call by class, and pieces by name; each a non-negative integer."""

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
    pieces: Pieces = ()
    service_tier: str = ""
    """The tier or mode the vendor served it in (`priority`, `flex`, `batch`), where that changes
    the price; empty for the ordinary one."""

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; the tier is that of whichever names one, ours first."""
        tokens = map(int.__add__, self.in_order(), other.in_order())
        return Usage(
            **dict(zip(_FIELDS, tokens, strict=True)),
            pieces=added(self.pieces, other.pieces),
            service_tier=self.service_tier or other.service_tier,
        )

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
    def input_part(self) -> "Usage":
        """The same without its output and its pieces."""
        return Usage(
            input_uncached=self.input_uncached,
            input_cache_read=self.input_cache_read,
            input_cache_write_5m=self.input_cache_write_5m,
            input_cache_write_1h=self.input_cache_write_1h,
            input_audio=self.input_audio,
            input_image=self.input_image,
            service_tier=self.service_tier,
        )

    @property
    def output_part(self) -> "Usage":
        """The same without its input."""
        return replace(
            self,
            input_uncached=0,
            input_cache_read=0,
            input_cache_write_5m=0,
            input_cache_write_1h=0,
            input_audio=0,
            input_image=0,
        )

    @property
    def output_tokens(self) -> int:
        return self.output_text + self.output_reasoning + self.output_audio + self.output_image

    @property
    def total_tokens(self) -> int:
        return sum(self.in_order())

    def in_order(self) -> tuple[int, ...]:
        """All classes, in the order of `TokenClass`."""
        return (
            self.input_uncached,
            self.input_cache_read,
            self.input_cache_write_5m,
            self.input_cache_write_1h,
            self.input_audio,
            self.input_image,
            self.output_text,
            self.output_reasoning,
            self.output_audio,
            self.output_image,
        )

    def nonzero(self) -> dict[str, int]:
        """The classes and pieces that occurred, by name: what events and receipts store."""
        return {name: tokens for name in _FIELDS if (tokens := getattr(self, name))} | dict(
            self.pieces
        )


make_usage = maker(Usage)
"""For what each call has."""
NOTHING = Usage()

_FIELDS = tuple(str(token_class) for token_class in TokenClass)


def by_kind(pieces: Pieces) -> Pieces:
    """The same by what they are kinds of: `image.low` and `image.hd` are images."""
    kinds: Pieces = ()
    for name, count in pieces:
        kinds = added(kinds, ((name.partition(".")[0], count),))
    return kinds


def added(some: Pieces, more: Pieces) -> Pieces:
    if not some or not more:
        return some or more
    counts = dict(some)
    for name, count in more:
        counts[name] = counts.get(name, 0) + count
    return tuple(sorted(counts.items()))


@small_value
class UsageReport:
    """`unmapped`: numbers beside the usage that no mapping table names, by dotted path. They are
    kept with the event and never change a total."""

    usage: Usage
    provenance: Provenance
    unmapped: Mapping[str, int | float] = field(default_factory=dict)
