"""From entries of the journal to rows: records, and what they add to the hours' sums. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.metering.events import integer_in, text_in
from gateway.metering.history import HOUR_MS
from gateway.metering.journal import Entry
from gateway.metering.pricing import ModelPrice
from gateway.metering.receipt import Line, receipt_lines
from gateway.metering.usage import Pieces, TokenClass, Usage

Row = tuple[Any, ...]
"""Of SQLite's values."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What records of the same call said before: of a call settled late after its expiry.
    `lost_ucr`: charged before, and forgotten by a store that was set back in time."""

    tokens: tuple[int, ...]
    pieces: Pieces
    lost_ucr: int = 0


def record_row(number: int, entry: Entry, usage: Usage, *, before: Counted | None) -> Row:
    """In the order of `RECORD_COLUMNS`. `before`: what to count no second time."""
    event, charge_ucr = entry.event, entry.amount_ucr
    tokens, pieces = usage.in_order(), usage.pieces
    if before is not None:
        tokens = tuple(now - then for now, then in zip(tokens, before.tokens, strict=True))
        pieces = less(pieces, before.pieces)
        charge_ucr -= before.lost_ucr
    return (
        *(number, entry.account_id, entry.time_ms, text_in(event, "key_id"), entry.operation_id),
        *(entry.kind, text_in(event, "provider"), text_in(event, "dialect")),
        *(text_in(event, "model_requested"), text_in(event, "model")),
        *(text_in(event, "rate_version"), text_in(event, "rate_id")),
        *(integer_in(event, "started_ms"), int(event.get("stream") is True)),
        *(text_in(event, "provenance"), text_in(event, "end"), integer_in(event, "http_status")),
        int(before is None),
        *tokens,
        orjson.dumps(pieces).decode() if pieces else "",
        usage.service_tier,
        *(integer_in(event, "held_ucr"), charge_ucr, entry.debt_ucr, entry.observed_ucr),
        *(integer_in(event, "ttfb_ms"), integer_in(event, "duration_ms")),
    )


def less(pieces: Pieces, before: Pieces) -> Pieces:
    counts = dict(pieces)
    for name, count in before:
        counts[name] = counts.get(name, 0) - count
    return tuple(sorted((name, count) for name, count in counts.items() if count))


def pieces_of(text: str) -> Pieces:
    return tuple((name, count) for name, count in orjson.loads(text)) if text else ()


@dataclass(slots=True)
class Sums:
    """What a batch of records adds to the hours, each row of them written once."""

    usage: dict[Row, list[int]] = field(default_factory=dict)
    costs: dict[Row, list[int]] = field(default_factory=dict)

    def add(
        self,
        entry: Entry,
        usage: Usage,
        *,
        price: ModelPrice | None,
        before: Counted | None,
    ) -> None:
        tokens, charge_ucr = usage.in_order(), entry.amount_ucr
        lines = list(receipt_lines(price, usage, charge_ucr=charge_ucr))
        if before is not None:
            tokens = tuple(now - then for now, then in zip(tokens, before.tokens, strict=True))
            charge_ucr -= before.lost_ucr
            lines = _added_lines(tokens, less(usage.pieces, before.pieces), charge_ucr)
        key = hour_key(entry)
        _add(self.usage, key, (int(before is None), *tokens, charge_ucr))
        for line in lines:
            _add(self.costs, (*key, line.kind.value, line.name), (line.quantity, line.amount_ucr))


def hour_key(entry: Entry) -> Row:
    event, at_ms = entry.event, entry.time_ms
    names = text_in(event, "key_id"), text_in(event, "model"), text_in(event, "dialect")
    return entry.account_id, at_ms - at_ms % HOUR_MS, *names


def _added_lines(tokens: tuple[int, ...], pieces: Pieces, charge_ucr: int) -> list[Line]:
    """Of a late settlement: quantities as they are, the amount in one line, for it is what two
    roundings left over."""
    named = dict(zip(map(str, TokenClass), tokens, strict=True))
    usage = Usage(**named, pieces=pieces, service_tier="")
    return list(receipt_lines(None, usage, charge_ucr=charge_ucr))


def summed_over(length_ms: int, hours: Mapping[Row, Sequence[int]]) -> Sequence[Row]:
    """Rows to add: those of the hours, put together in spans of that length, whole hours."""
    found: dict[Row, list[int]] = {}
    for (account, at_ms, *rest), values in hours.items():
        _add(found, (account, at_ms - at_ms % length_ms, *rest), values)
    return [(*key, *values) for key, values in found.items()]


def _add(sums: dict[Row, list[int]], key: Row, values: Sequence[int]) -> None:
    known = sums.get(key)
    if known is None:
        sums[key] = list(values)
    else:
        for index, value in enumerate(values):
            known[index] += value
