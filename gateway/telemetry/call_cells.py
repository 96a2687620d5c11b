"""The cells that a call counts into, looked up in tables made at start.

Anything the labels do not name is counted as `other`.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.metering.events import End, UsageEvent
from gateway.metering.pieces import piece_kind
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.telemetry import families_of_calls as of_calls
from gateway.telemetry.cells import Cells, Layout
from gateway.telemetry.closed_sets import OTHER

CLASS_OFFSET: Mapping[str, int] = {name: offset for offset, name in enumerate(TokenClass)}
INPUT_UNCACHED = CLASS_OFFSET[TokenClass.INPUT_UNCACHED]
OUTPUT_TEXT = CLASS_OFFSET[TokenClass.OUTPUT_TEXT]
RARE_CLASSES = tuple(
    name for name in TokenClass if name not in (TokenClass.INPUT_UNCACHED, TokenClass.OUTPUT_TEXT)
)


@dataclass(frozen=True, slots=True)
class _Route:
    """Cells of one dialect at one provider. `ends` go by their plain text, as `provenances` do: an
    enum member as a key is hashed by slow code."""

    ends: Mapping[str, int]
    first_byte: int
    duration: int


@dataclass(frozen=True, slots=True)
class _Model:
    """Cells of one model. `tokens` is the first of its classes, in TokenClass' order."""

    provenances: Mapping[str, int]
    tokens: int
    charges: int
    holds: int


class CallCells:
    """Counts a call into whichever region it is given."""

    def __init__(self, layout: Layout, values: Mapping[str, tuple[str, ...]]) -> None:
        self._routes = {
            (dialect, provider): _route(layout, dialect, provider)
            for dialect in values["dialect"]
            for provider in values["provider"]
        }
        self._other_route = self._routes[OTHER, OTHER]
        self._models = {model: _model(layout, model) for model in values["model"]}
        self._other_model = self._models[OTHER]
        self._pieces = {kind: layout.cell(of_calls.PIECES_USED, kind) for kind in values["piece"]}
        self._overruns = layout.cell(of_calls.OVERRUNS)
        self._overruns_ucr = layout.cell(of_calls.OVERRUNS_UCR)

    def ended(self, cells: Cells, event: UsageEvent, ttfb_us: int, duration_us: int) -> None:
        route = self._routes.get((event.dialect, event.provider), self._other_route)
        cells[route.ends[event.end._value_]] += 1
        observe(cells, route.first_byte, of_calls.ANSWER_BOUNDS_US, ttfb_us)
        observe(cells, route.duration, of_calls.ANSWER_BOUNDS_US, duration_us)

    def charged(self, cells: Cells, event: UsageEvent) -> None:
        usage, charge_ucr, held_ucr = event.usage, event.charge_ucr, event.held_ucr
        entry = self._models.get(event.model, self._other_model)
        cells[entry.provenances[event.provenance._value_]] += 1
        cells[entry.charges] += charge_ucr
        cells[entry.holds] += held_ucr
        _count_tokens(cells, entry.tokens, usage)
        for name, count in usage.pieces:
            cells[self._pieces.get(piece_kind(name), self._pieces[OTHER])] += count
        if charge_ucr > held_ucr:
            cells[self._overruns] += 1
            cells[self._overruns_ucr] += charge_ucr - held_ucr


def observe(cells: Cells, first: int, bounds: tuple[int, ...], value: int) -> None:
    """Count `value` in its bucket; the sum stands behind the bucket of everything larger."""
    cells[first + bisect_left(bounds, value)] += 1
    cells[first + len(bounds) + 1] += value


def _count_tokens(cells: Cells, first: int, usage: Usage) -> None:
    cells[first + INPUT_UNCACHED] += usage.input_uncached
    cells[first + OUTPUT_TEXT] += usage.output_text
    # Nearly every call uses the two above and none of these: one sum tells.
    rare_tokens = (
        usage.input_cache_read
        + usage.input_cache_write_5m
        + usage.input_cache_write_1h
        + usage.input_audio
        + usage.input_image
        + usage.output_reasoning
        + usage.output_audio
        + usage.output_image
    )
    if rare_tokens:
        for name in RARE_CLASSES:
            cells[first + CLASS_OFFSET[name]] += getattr(usage, name)


def _route(layout: Layout, dialect: str, provider: str) -> _Route:
    return _Route(
        ends={end.value: layout.cell(of_calls.CALLS, dialect, provider, end) for end in End},
        first_byte=layout.cell(of_calls.FIRST_BYTE, dialect, provider),
        duration=layout.cell(of_calls.DURATION, dialect, provider),
    )


def _model(layout: Layout, model: str) -> _Model:
    return _Model(
        provenances={
            provenance.value: layout.cell(of_calls.USAGES, model, provenance)
            for provenance in Provenance
        },
        tokens=layout.cell(of_calls.TOKENS, model, next(iter(TokenClass))),
        charges=layout.cell(of_calls.CHARGES_UCR, model),
        holds=layout.cell(of_calls.HOLDS_UCR, model),
    )
