"""From entries of the journal to rows: records, and what they add to the hours' sums. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson

from gateway.metering.events import integer_in, text_in, usage_in
from gateway.metering.history import HOUR_MS
from gateway.metering.journal import Entry
from gateway.metering.margin import SCALE, scaled_cost
from gateway.metering.pricing import ModelPrice
from gateway.metering.receipt import Line, receipt_lines
from gateway.metering.usage import Pieces, TokenClass, Usage, added
from gateway.stores.history import schema

Row = tuple[Any, ...]
"""Of a database's values."""
_HELD_AT = schema.RECORD_COLUMNS.index("held")
_ended: Callable[[Row], Row] = itemgetter(*map(schema.RECORD_COLUMNS.index, schema.END_KEY[1:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one record said of a call that is told once more."""

    kind: str
    tokens: tuple[int, ...]
    pieces: Pieces
    charge_ucr: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What records of the same call said before: of a call settled late after its expiry.
    `lost_ucr`: charged before, and forgotten by a store that was set back in time."""

    tokens: tuple[int, ...]
    pieces: Pieces
    lost_ucr: int = 0


def counted(told: Sequence[Recorded]) -> Counted | None:
    if not told:
        return None
    pieces = told[0].pieces
    for each in told[1:]:
        pieces = added(pieces, each.pieces)
    return Counted(
        tokens=tuple(map(sum, zip(*(each.tokens for each in told), strict=True))),
        pieces=pieces,
        # Ended twice: the store was set back between, and knows of the later end only.
        lost_ucr=sum(each.charge_ucr for each in told if each.kind != "expired"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What the end of one call adds: a record, and its share of the hour's sums. `record` is in
    the order of `RECORD_COLUMNS`, `hour` and `end` are keys of sums, `sums` in the order of
    `SUMMED` and `end_sums` in that of `END_SUMMED`."""

    number: int
    """Within its shard."""
    record: Row
    hour: Row
    sums: tuple[int, ...]
    lines: Sequence[Line]
    end: Row
    end_sums: tuple[int, ...]
    told: Recorded


def charged(
    row_id: int,
    number: int,
    entry: Entry,
    *,
    price: ModelPrice | None,
    before: Counted | None,
) -> Charged:
    """`before`: what to count no second time."""
    usage, charge_ucr = usage_in(entry.event), entry.amount_ucr
    provenance = text_in(entry.event, "provenance")
    cost = scaled_cost(price, usage, provenance=provenance)
    tokens, pieces = usage.in_order(), usage.pieces
    lines = list(receipt_lines(price, usage, charge_ucr=charge_ucr))
    if before is not None:
        tokens = tuple(now - then for now, then in zip(tokens, before.tokens, strict=True))
        pieces = less(pieces, before.pieces)
        charge_ucr -= before.lost_ucr
        lines = _added_lines(tokens, pieces, charge_ucr)
        then = _usage(before.tokens, before.pieces, usage.service_tier)
        cost = _less(cost, scaled_cost(price, then, provenance=provenance))
    told = Recorded(kind=entry.kind, tokens=tokens, pieces=pieces, charge_ucr=charge_ucr)
    requests = int(before is None)
    known, (cost_ucr, rest) = int(cost is not None), divmod(cost or 0, SCALE)
    record = _record(row_id, entry, told, requests=requests, tier=usage.service_tier)
    beyond_ucr = max(0, charge_ucr - record[_HELD_AT]) if entry.kind == "settled" else 0
    hour = _hour(entry)
    return Charged(
        number=number,
        record=(*record, known, cost_ucr, rest),
        hour=hour,
        sums=(requests, *tokens, charge_ucr),
        lines=lines,
        end=(hour[1], *_ended(record)),
        end_sums=(
            *(1, requests, charge_ucr, beyond_ucr),
            *(known, known * charge_ucr, cost_ucr, rest),
        ),
        told=told,
    )


def _record(row_id: int, entry: Entry, told: Recorded, *, requests: int, tier: str) -> Row:
    event = entry.event
    return (
        *(row_id, entry.account_id, entry.time_ms, text_in(event, "key_id"), entry.operation_id),
        *(entry.kind, text_in(event, "provider"), text_in(event, "dialect")),
        *(text_in(event, "model_requested"), text_in(event, "model")),
        *(text_in(event, "rate_version"), text_in(event, "rate_id")),
        *(integer_in(event, "started_ms"), int(event.get("stream") is True)),
        *(text_in(event, "provenance"), text_in(event, "end"), integer_in(event, "http_status")),
        requests,
        *told.tokens,
        orjson.dumps(told.pieces).decode() if told.pieces else "",
        tier,
        *(integer_in(event, "held_ucr"), told.charge_ucr, entry.debt_ucr, entry.observed_ucr),
        *(integer_in(event, "ttfb_ms"), integer_in(event, "duration_ms")),
    )


def _less(now: int | None, then: int | None) -> int | None:
    return None if now is None or then is None else now - then


def less(pieces: Pieces, before: Pieces) -> Pieces:
    counts = dict(pieces)
    for name, count in before:
        counts[name] = counts.get(name, 0) - count
    return tuple(sorted((name, count) for name, count in counts.items() if count))


def pieces_of(text: str) -> Pieces:
    return tuple((name, count) for name, count in orjson.loads(text)) if text else ()


def _hour(entry: Entry) -> Row:
    event, at_ms = entry.event, entry.time_ms
    names = text_in(event, "key_id"), text_in(event, "model"), text_in(event, "dialect")
    return entry.account_id, at_ms - at_ms % HOUR_MS, *names


def _added_lines(tokens: tuple[int, ...], pieces: Pieces, charge_ucr: int) -> list[Line]:
    """Of a late settlement: quantities as they are, the amount in one line, for it is what two
    roundings left over."""
    return list(receipt_lines(None, _usage(tokens, pieces, ""), charge_ucr=charge_ucr))


def _usage(tokens: tuple[int, ...], pieces: Pieces, tier: str) -> Usage:
    named = dict(zip(map(str, TokenClass), tokens, strict=True))
    return Usage(**named, pieces=pieces, service_tier=tier)


@dataclass(slots=True)
class Sums:
    """What a batch of records adds to the hours, each row of them written once."""

    usage: dict[Row, list[int]] = field(default_factory=dict)
    costs: dict[Row, list[int]] = field(default_factory=dict)
    ends: dict[Row, list[int]] = field(default_factory=dict)

    def add(self, each: Charged) -> None:
        _add(self.usage, each.hour, each.sums)
        _add(self.ends, each.end, each.end_sums)
        for line in each.lines:
            key = (*each.hour, line.kind.value, line.name)
            _add(self.costs, key, (line.quantity, line.amount_ucr))


def summed_over(length_ms: int, hours: Mapping[Row, Sequence[int]], *, at: int) -> Sequence[Row]:
    """Rows to add: those of the hours, put together in spans of that length, whole hours; `at`:
    where in a key its hour stands. In one order, whoever writes: two that change the same rows
    wait for each other, and not for ever."""
    found: dict[Row, list[int]] = {}
    for key, values in hours.items():
        _add(found, (*key[:at], key[at] - key[at] % length_ms, *key[at + 1 :]), values)
    return [(*key, *found[key]) for key in sorted(found)]


def _add(sums: dict[Row, list[int]], key: Row, values: Sequence[int]) -> None:
    known = sums.get(key)
    if known is None:
        sums[key] = list(values)
    else:
        for index, value in enumerate(values):
            known[index] += value
