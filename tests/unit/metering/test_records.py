"""The usage record: flat, bounded, exact, and the same whenever it is made."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import asks

from gateway.metering.pieces import PIECES
from gateway.metering.records import (
    FIELDS_MAX,
    Settlement,
    Source,
    usage_record,
    usd_text,
)
from gateway.metering.usage import TokenClass, Usage

SOURCE = Source("urn:tollkeeper:test", 10_000_000)
SETTLED_MS = 1_795_428_852_377
CHARGE_UCR = 783_500


def settlement(usage: Usage, *, known: Usage | None = None) -> Settlement:
    event = replace(asks.usage_event("r1", CHARGE_UCR), usage=usage)
    return Settlement(
        event=event,
        charge_ucr=CHARGE_UCR,
        debt_ucr=0,
        observed_ucr=0,
        settled_ms=SETTLED_MS,
        late=known is not None,
        known=known,
    )


counts = st.integers(0, 2**40)
usages = st.builds(
    Usage,
    **{name.value: counts for name in TokenClass},
    pieces=st.dictionaries(st.sampled_from(sorted(PIECES)), st.integers(1, 999)).map(
        lambda pieces: tuple(sorted(pieces.items()))
    ),
)


def test_a_record_is_a_cloud_event_with_the_settlements_id_and_time():
    record = usage_record(settlement(Usage(input_uncached=812, output_text=377)), SOURCE)

    event = record.cloud_event()

    assert ("1.0", "r1", "urn:tollkeeper:test", "acme", "2026-11-23T10:14:12.377Z") == (
        event["specversion"],
        event["id"],
        event["source"],
        event["subject"],
        event["time"],
    )
    assert {"input_uncached": 812, "output_text": 377} == record.usage
    assert "0.007835" == record.data["charge_usd"]


@given(usages)
def test_a_record_is_flat_and_bounded_and_its_parts_add_up(usage):
    data = usage_record(settlement(usage), SOURCE).data

    assert len(data) <= FIELDS_MAX
    assert all(len(name) <= 40 and isinstance(value, str | int) for name, value in data.items())
    classes = sum(data[f"{name}_tokens"] for name in TokenClass)
    assert classes == data["total_tokens"] == data["input_tokens"] + data["output_tokens"]
    pieces = sum(value for name, value in data.items() if name.startswith("pieces_"))
    assert sum(dict(usage.pieces).values()) == pieces


@given(usages, usages)
def test_what_an_expiry_told_is_not_told_again(first, rest):
    whole = first + rest

    expired = usage_record(settlement(first), SOURCE)
    late = usage_record(settlement(whole, known=first), SOURCE)

    assert ("r1", "r1.late") == (expired.record_id, late.record_id)
    for name in TokenClass:
        told = expired.data[f"{name}_tokens"] + late.data[f"{name}_tokens"]
        assert getattr(whole, name.value) == told


@pytest.mark.parametrize(
    ("ucr", "nanos", "text"),
    [
        (783_500, 10_000_000, "0.007835"),
        (0, 10_000_000, "0"),
        (1, 1, "0.000000000000001"),
        (200_000_000, 10_000_000, "2"),
        (2**53 - 1, 1_000_000_000, "9007199254.740991"),
    ],
)
def test_dollars_are_exact(ucr, nanos, text):
    assert text == usd_text(ucr, nanos)
