"""Whatever comes in whatever batches: what calls ended with and cost adds up, to the last part."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering.events import usage_in
from gateway.metering.history import HOUR_MS, EndSum
from gateway.metering.journal import Drained, Entry, Position, shard_of
from gateway.metering.margin import scaled_cost
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.stores.history import answers, questions, sqlite

ACCOUNT = "acme"
HOURS = 60
rates = st.integers(0, 10**9)


@st.composite
def prices(draw: st.DrawFn) -> ModelPrice:
    def tier(above: int) -> Tier:
        given = {TokenClass.INPUT_UNCACHED: draw(rates), TokenClass.OUTPUT_TEXT: draw(rates)}
        return Tier(above, Rates.of(given))

    bought = ModelPrice(
        model="m",
        tiers=(tier(0), tier(1_000)),
        pieces={"web_search": draw(rates)},
        tier_percent={"batch": 50},
        fee_ucr=draw(st.integers(0, 9)),
    )
    return replace(bought, rate_id="r", purchase=draw(st.sampled_from([bought, bought, None])))


usages = st.builds(
    Usage,
    input_uncached=st.integers(0, 3_000),
    output_text=st.integers(0, 3_000),
    pieces=st.sampled_from([(), (("web_search", 2),), (("image", 1),)]),
    service_tier=st.sampled_from(["", "batch"]),
)


@dataclass(frozen=True)
class Call:
    """`late`: settled an hour after it had expired."""

    at_ms: int
    kind: str
    usage: Usage
    provenance: Provenance
    charge_ucr: int


calls = st.builds(
    Call,
    at_ms=st.integers(0, HOURS * HOUR_MS - 1),
    kind=st.sampled_from(["settled", "expired", "late"]),
    usage=usages,
    provenance=st.sampled_from(Provenance),
    charge_ucr=st.integers(0, 10**12),
)


def entries(made: Sequence[Call]) -> list[Entry]:
    found = []
    for number, call in enumerate(made):
        found.append(entry(f"call-{number}", call))
        if call.kind == "late":
            used = replace(call.usage, input_uncached=call.usage.input_uncached // 2, pieces=())
            begun = replace(call, kind="expired", usage=used, provenance=Provenance.COUNTED)
            found[-1:] = [
                entry(f"call-{number}", begun),
                entry(f"call-{number}", replace(call, at_ms=call.at_ms + HOUR_MS)),
            ]
    return sorted(found, key=lambda each: each.time_ms)


def entry(name: str, call: Call) -> Entry:
    usage = call.usage
    used = {each.value: getattr(usage, each.value) for each in TokenClass}
    event = {
        "provider": "p",
        "model": "m",
        "rate_id": "r",
        "provenance": call.provenance.value,
        "end": "completed",
        "held_ucr": 10**6,
        "usage": {**used, "pieces": list(usage.pieces), "service_tier": usage.service_tier},
    }
    return Entry(
        entry_id=f"{call.at_ms}-{next(_numbers)}",
        kind=call.kind,
        account_id=ACCOUNT,
        operation_id=name,
        amount_ucr=call.charge_ucr,
        debt_ucr=0,
        observed_ucr=0,
        slices=(),
        event=event,
        event_text="{}",
    )


_numbers = count(1)


@settings(max_examples=40)
@given(
    price=prices(),
    made=st.lists(calls, min_size=1, max_size=12),
    batch=st.integers(1, 9),
    start=st.integers(0, HOURS),
)
def test_sums_are_those_of_the_records_and_costs_those_of_whole_calls(price, made, batch, start):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        sqlite.prepare(connection)
        shard, after = shard_of(ACCOUNT), Position().entry_id
        todo = entries(made)
        for first in range(0, len(todo), batch):
            part = todo[first : first + batch]
            sqlite.append(connection, [Drained(shard, after, part)], {"r": price})
            after = part[-1].entry_id

        def ends(start_ms: int) -> Sequence[EndSum]:
            text, values = questions.ends("end_hours", "end_days", start_ms=start_ms)
            return [answers.ended(row) for row in connection.execute(text, (*values,))]

        ended = ends(start * HOUR_MS)
        records = [answers.record(row) for row in connection.execute("SELECT * FROM records")]

    since = [each for each in records if each.time_ms >= start * HOUR_MS]
    costs = [each.scaled_cost for each in since if each.scaled_cost is not None]
    assert total(ended) == (
        len(since),
        sum(each.requests for each in since),
        sum(each.charge_ucr for each in since),
        len(costs),
        sum(each.charge_ucr for each in since if each.scaled_cost is not None),
        sum(costs),
    )
    assert len(made) == sum(each.requests for each in records)
    for name, last in {each.operation_id: each.event for each in todo}.items():
        parts = [each.scaled_cost for each in records if each.request_id == name]
        if None not in parts:
            known = scaled_cost(price, usage_in(last), provenance=last["provenance"])
            assert sum(parts) == known


def total(sums: Sequence[EndSum]) -> tuple[int, ...]:
    return (
        sum(each.entries for each in sums),
        sum(each.requests for each in sums),
        sum(each.charge_ucr for each in sums),
        sum(each.costed for each in sums),
        sum(each.costed_ucr for each in sums),
        sum(each.scaled_cost for each in sums),
    )
