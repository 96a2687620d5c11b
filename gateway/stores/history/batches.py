"""What a batch of entries becomes, whatever database it goes into. Pure.

Whoever writes asks `needs_of` a batch, looks that up in its tables, and writes what `written`
answers: entries chained behind those before, records, sums, balances and where each shard stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import Conflict
from gateway.metering.history import DAY_MS, HOUR_MS
from gateway.metering.journal import SHARDS, Drained, Entry, Position, chained, slices_text
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import schema
from gateway.stores.history.rows import Charged, Recorded, Row, Sums, charged, counted, summed_over

SEQUENCES_MAX = 4096
SPAN_MS = {"hours": HOUR_MS, "days": DAY_MS}

Call = tuple[str, str]
"""Account and request."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be known before a batch can be written."""

    shards: Sequence[int]
    accounts: Sequence[str]
    rate_ids: Sequence[str]
    told_before: Sequence[Call]
    """Calls that may have a record already."""


@dataclass(slots=True, kw_only=True)
class Known:
    """The answers. `last_id`: behind it the rows of entries and records are numbered."""

    positions: Mapping[int, Position]
    last_id: int
    balances: dict[str, int]
    prices: Mapping[str, ModelPrice]
    recorded: dict[Call, list[Recorded]]


@dataclass(slots=True)
class Writing:
    """Rows to insert, all or none of them. `entries` are in the order of `ENTRY_COLUMNS`."""

    entries: list[Row] = field(default_factory=list)
    charged: list[Charged] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)

    @property
    def records(self) -> Sequence[Row]:
        return [each.record for each in self.charged]

    def position_rows(self) -> Sequence[Row]:
        return [
            (shard, position.entry_id, position.entries, position.hash)
            for shard, position in self.positions.items()
        ]

    def sums(self) -> Mapping[str, Sequence[Row]]:
        """By table, what to add to its rows."""
        sums = Sums()
        for each in self.charged:
            sums.add(each)
        kinds = (
            ("usage", schema.USAGE_KEY, sums.usage),
            ("cost", schema.COST_KEY, sums.costs),
            ("end", schema.END_KEY, sums.ends),
        )
        return {
            f"{kind}_{span}": summed_over(ms, hours, at=key.index("at_ms"))
            for kind, key, hours in kinds
            for span, ms in SPAN_MS.items()
        }


def needs_of(batch: Sequence[Drained]) -> Needs:
    entries = [entry for drained in batch for entry in drained.entries]
    late = {(each.account_id, each.operation_id) for each in entries if each.kind == "late"}
    return Needs(
        shards=sorted({drained.shard for drained in batch}),
        accounts=sorted({entry.account_id for entry in entries}),
        rate_ids=sorted({rate_id for entry in entries if (rate_id := _rate_id(entry))}),
        told_before=sorted(late),
    )


def written(batch: Sequence[Drained], known: Known, *, ids_by_time: bool = False) -> Writing:
    """Raises Conflict unless each part begins where its shard stands. `ids_by_time`: rows are
    numbered by their place in the outbox, where a table cannot tell a number of its own."""
    writing = Writing()
    last_id = known.last_id
    for drained in batch:
        position = writing.positions.get(drained.shard, known.positions[drained.shard])
        if position.entry_id != drained.after:
            raise Conflict("Another process drained this outbox meanwhile.")
        number, hash_ = position.entries, position.hash
        for entry in drained.entries:
            last_id, number, hash_ = last_id + 1, number + 1, chained(hash_, entry)
            row_id = _id_by_time(entry, drained.shard) if ids_by_time else last_id
            _write(writing, known, entry, row_id=row_id, place=(drained.shard, number, hash_))
        if drained.entries:
            last = drained.entries[-1].entry_id
            position = Position(entry_id=last, entries=number, hash=hash_)
        writing.positions[drained.shard] = position
    return writing


def _write(
    writing: Writing, known: Known, entry: Entry, *, row_id: int, place: tuple[int, int, bytes]
) -> None:
    """`place`: the shard, the number within it, and the hash up to it."""
    shard, number, hash_ = place
    account, call_id, at_ms = entry.account_id, entry.operation_id, entry.time_ms
    balance = known.balances.get(account, 0) + entry.effect_ucr
    known.balances[account] = writing.balances[account] = balance
    writing.entries.append(
        (
            *(row_id, shard, number, entry.entry_id, at_ms, entry.kind, account, call_id),
            *(entry.amount_ucr, entry.debt_ucr, entry.observed_ucr, slices_text(entry.slices)),
            *(entry.event_text, balance, hash_),
        )
    )
    if entry.charges and entry.event:
        # Known of those only of which more may be told in this batch.
        told = known.recorded.get((account, call_id))
        before = counted(told) if told and entry.kind == "late" else None
        price = known.prices.get(_rate_id(entry))
        each = charged(row_id, number, entry, at_ms=at_ms, price=price, before=before)
        writing.charged.append(each)
        if told is not None:
            told.append(each.told())


def _id_by_time(entry: Entry, shard: int) -> int:
    """Ascending in each shard as its entries do, and over all shards with time. A store writes far
    less than SEQUENCES_MAX entries of a shard in a millisecond."""
    sequence = int(entry.entry_id.partition("-")[2]) % SEQUENCES_MAX
    return (entry.time_ms * SEQUENCES_MAX + sequence) * SHARDS + shard


def _rate_id(entry: Entry) -> str:
    rate_id = entry.event.get("rate_id")
    return rate_id if isinstance(rate_id, str) else ""
