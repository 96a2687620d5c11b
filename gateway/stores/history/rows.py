"""From entries of the journal to rows: records, and what they add to the hours' sums. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.metering.events import all_in, usage_in
from gateway.metering.history import HOUR_MS
from gateway.metering.journal import Entry
from gateway.metering.margin import SCALE, scaled_cost
from gateway.metering.pricing import ModelPrice
from gateway.metering.receipt import Line, receipt_lines
from gateway.metering.usage import Pieces, TokenClass, Usage, added
from gateway.stores.history import schema
from gateway.values import call_value, maker

Row = tuple[Any, ...]
"""Of a database's values."""
_KIND_AT, _PIECES_AT = map(schema.RECORD_COLUMNS.index, ("kind", "pieces"))


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


@call_value
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

    def told(self) -> Recorded:
        _, *tokens, charge_ucr = self.sums
        pieces = pieces_of(self.record[_PIECES_AT])
        kind = self.record[_KIND_AT]
        return Recorded(kind=kind, tokens=(*tokens,), pieces=pieces, charge_ucr=charge_ucr)


_charged = maker(Charged)
_TEXTS = (
    *("key_id", "provider", "dialect", "model_requested", "model", "rate_version", "rate_id"),
    *("provenance", "end"),
)
_INTEGERS = ("started_ms", "http_status", "held_ucr", "ttfb_ms", "duration_ms")


def charged(
    row_id: int,
    number: int,
    entry: Entry,
    *,
    at_ms: int,
    price: ModelPrice | None,
    before: Counted | None,
) -> Charged:
    """`before`: what to count no second time."""
    event, account_id, kind = entry.event, entry.account_id, entry.kind
    key, provider, dialect, asked, model, version, rate_id, provenance, end = all_in(
        event, _TEXTS, ""
    )
    started_ms, status, held_ucr, ttfb_ms, duration_ms = all_in(event, _INTEGERS, 0)
    usage, charge_ucr = usage_in(event), entry.amount_ucr
    cost = scaled_cost(price, usage, provenance=provenance)
    tokens, pieces = usage.in_order(), usage.pieces
    lines = receipt_lines(price, usage, charge_ucr=charge_ucr)
    if before is not None:
        tokens = tuple(now - then for now, then in zip(tokens, before.tokens, strict=True))
        pieces = less(pieces, before.pieces)
        charge_ucr -= before.lost_ucr
        lines = _added_lines(tokens, pieces, charge_ucr)
        then = _usage(before.tokens, before.pieces, usage.service_tier)
        cost = _less(cost, scaled_cost(price, then, provenance=provenance))
    requests = int(before is None)
    known, (cost_ucr, rest) = int(cost is not None), divmod(cost or 0, SCALE)
    beyond_ucr = charge_ucr - held_ucr if kind == "settled" and charge_ucr > held_ucr else 0
    hour_ms = at_ms - at_ms % HOUR_MS
    return _charged(
        number=number,
        record=(
            *(row_id, account_id, at_ms, key, entry.operation_id, kind, provider, dialect),
            *(asked, model, version, rate_id, started_ms, int(event.get("stream") is True)),
            *(provenance, end, status, requests),
            *tokens,
            *(orjson.dumps(pieces).decode() if pieces else "", usage.service_tier),
            *(held_ucr, charge_ucr, entry.debt_ucr, entry.observed_ucr, ttfb_ms, duration_ms),
            *(known, cost_ucr, rest),
        ),
        hour=(account_id, hour_ms, key, model, dialect),
        sums=(requests, *tokens, charge_ucr),
        lines=lines,
        end=(hour_ms, provider, model, provenance, end, kind),
        end_sums=(1, requests, charge_ucr, beyond_ucr, known, known * charge_ucr, cost_ucr, rest),
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


def _added_lines(tokens: tuple[int, ...], pieces: Pieces, charge_ucr: int) -> Sequence[Line]:
    """Of a late settlement: quantities as they are, the amount in one line, for it is what two
    roundings left over."""
    return receipt_lines(None, _usage(tokens, pieces, ""), charge_ucr=charge_ucr)


def _usage(tokens: tuple[int, ...], pieces: Pieces, tier: str) -> Usage:
    named = dict(zip(map(str, TokenClass), tokens, strict=True))
    return Usage(**named, pieces=pieces, service_tier=tier)


@dataclass(slots=True)
class Sums:
    """What a batch of records adds to the hours, each row of them written once."""

    usage: defaultdict[Row, list[Row]] = field(default_factory=lambda: defaultdict(list))
    costs: defaultdict[Row, list[Row]] = field(default_factory=lambda: defaultdict(list))
    ends: defaultdict[Row, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, each: Charged) -> None:
        self.usage[each.hour].append(each.sums)
        self.ends[each.end].append(each.end_sums)
        for line in each.lines:
            key = (*each.hour, line.kind._value_, line.name)
            self.costs[key].append((line.quantity, line.amount_ucr))


def summed_over(length_ms: int, hours: Mapping[Row, Sequence[Row]], *, at: int) -> Sequence[Row]:
    """Rows to add: those of the hours, put together in spans of that length, whole hours; `at`:
    where in a key its hour stands. In one order, whoever writes: two that change the same rows
    wait for each other, and not for ever."""
    found: defaultdict[Row, list[Row]] = defaultdict(list)
    for key, rows in hours.items():
        found[(*key[:at], key[at] - key[at] % length_ms, *key[at + 1 :])] += rows
    return [(*key, *map(sum, zip(*found[key], strict=True))) for key in sorted(found)]
