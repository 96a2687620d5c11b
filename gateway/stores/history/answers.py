"""What a history's rows say, as what was asked for. Pure.

Databases differ in how they bring a sum or a hash; here they are brought together.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from gateway.metering.history import CostSum, EndSum, Movement, Question, Record, UsageSum
from gateway.metering.journal import SHARDS, Entry, Position, slices_of
from gateway.metering.margin import SCALE
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import schema
from gateway.stores.history.rows import Recorded, Row, pieces_of
from gateway.stores.stored_price import price_of

_CLASSES = len(schema.CLASSES)
_CLASSES_AT = schema.RECORD_COLUMNS.index(schema.CLASSES[0])

Pieces = Mapping[Row, Mapping[str, int]]
"""By bucket and group."""


def usage(asked: Question, rows: Iterable[Row], pieces: Pieces) -> Sequence[UsageSum]:
    width = len(asked.by)
    return [
        UsageSum(
            bucket_ms=row[0],
            group=row[1 : 1 + width],
            requests=int(row[1 + width]),
            tokens=tuple(map(int, row[2 + width : 2 + width + _CLASSES])),
            charge_ucr=int(row[-1]),
            pieces=tuple(sorted(pieces.get(row[: 1 + width], {}).items())),
        )
        for row in rows
    ]


def named_pieces(rows: Iterable[Row]) -> Pieces:
    found: dict[Row, dict[str, int]] = {}
    for *group, name, count in rows:
        found.setdefault(tuple(group), {})[name] = int(count)
    return found


def recorded_pieces(rows: Iterable[Row]) -> Pieces:
    found: dict[Row, dict[str, int]] = {}
    for *group, text, times in rows:
        counts = found.setdefault(tuple(group), {})
        for name, count in pieces_of(text):
            counts[name] = counts.get(name, 0) + count * int(times)
    return found


def costs(asked: Question, rows: Iterable[Row]) -> Sequence[CostSum]:
    return [
        CostSum(
            bucket_ms=row[0],
            group=row[1 : 1 + len(asked.by)],
            kind=row[-4],
            name=row[-3],
            quantity=int(row[-2]),
            amount_ucr=int(row[-1]),
        )
        for row in rows
    ]


def ended(row: Row) -> EndSum:
    provider, model, provenance, end, kind, *sums = row
    entries, requests, charge_ucr, beyond_ucr, costed, costed_ucr, cost_ucr, rest = map(int, sums)
    return EndSum(
        provider=provider,
        model=model,
        provenance=provenance,
        end=end,
        kind=kind,
        entries=entries,
        requests=requests,
        charge_ucr=charge_ucr,
        beyond_ucr=beyond_ucr,
        costed=costed,
        costed_ucr=costed_ucr,
        scaled_cost=cost_ucr * SCALE + rest,
    )


def record(row: Row) -> Record:
    named = dict(zip(schema.RECORD_COLUMNS, row, strict=True))
    return Record(
        record_id=named["id"],
        account_id=named["account"],
        time_ms=named["at_ms"],
        key_id=named["key"],
        request_id=named["request"],
        kind=named["kind"],
        provider=named["provider"],
        dialect=named["dialect"],
        model_requested=named["model_requested"],
        model=named["model"],
        rate_version=named["rate_version"],
        rate_id=named["rate_id"],
        started_ms=named["started_ms"],
        stream=bool(named["stream"]),
        provenance=named["provenance"],
        end=named["ended"],
        http_status=named["http_status"],
        requests=named["requests"],
        tokens=row[_CLASSES_AT : _CLASSES_AT + _CLASSES],
        pieces=pieces_of(named["pieces"]),
        service_tier=named["service_tier"],
        held_ucr=named["held"],
        charge_ucr=named["charge"],
        debt_ucr=named["debt"],
        observed_ucr=named["observed"],
        ttfb_ms=named["ttfb_ms"],
        duration_ms=named["duration_ms"],
        scaled_cost=named["cost"] * SCALE + named["rest"] if named["costed"] else None,
    )


def movement(row: Row, *, by_shard: bool = False) -> Movement:
    """`by_shard`: numbered as its shard's chain is."""
    row_id, number, entry_id, kind, account, operation, amount, debt, observed, *rest = row
    slices, event, balance, hash_ = rest
    entry = Entry(
        entry_id=entry_id,
        kind=kind,
        account_id=account,
        operation_id=operation,
        amount_ucr=amount,
        debt_ucr=debt,
        observed_ucr=observed,
        slices=slices_of(slices),
        event=orjson.loads(event or "{}"),
        event_text=event,
    )
    return Movement(
        number=number if by_shard else row_id,
        entry=entry,
        balance_ucr=balance,
        hash=hash_of(hash_),
    )


def recorded(row: Row) -> Recorded:
    *tokens, pieces, charge, kind = row
    return Recorded(
        kind=kind, tokens=tuple(tokens), pieces=pieces_of(pieces), charge_ucr=int(charge)
    )


def positions(rows: Iterable[Row]) -> Mapping[int, Position]:
    """Of every shard: one that nothing came from stands before its first entry."""
    found = dict.fromkeys(range(SHARDS), Position())
    for shard, entry_id, entries, hash_ in rows:
        found[shard] = Position(entry_id=entry_id, entries=entries, hash=hash_of(hash_))
    return found


def prices(rows: Iterable[Row]) -> Mapping[str, ModelPrice]:
    return {rate_id: price_of(line) for rate_id, line in rows}


def hash_of(stored: bytes | str) -> bytes:
    """Where a database has no bytes it is written in hexadecimal."""
    return bytes.fromhex(stored) if isinstance(stored, str) else stored
