"""What entries of the journal tell whoever listens."""

from typing import Any

import pytest

from gateway.metering.happenings import happening_of
from gateway.metering.journal import Entry


def entry(kind: str, **fields: Any) -> Entry:
    return Entry(
        **{
            "entry_id": "1795688107250-3",
            "kind": kind,
            "account_id": "lab",
            "operation_id": "op-1",
            "amount_ucr": 4360,
            "debt_ucr": 0,
            "observed_ucr": 0,
            "slices": (),
        }
        | fields
    )


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("settled", "call.settled"),
        ("late", "call.settled"),
        ("expired", "hold.expired"),
        ("funded", "grant.created"),
        ("grant_expired", "grant.expired"),
        ("voided", "grant.voided"),
        ("corrected", "balance.corrected"),
        ("debt_paid", "debt.paid"),
        ("balance.low", "balance.low"),
    ],
)
def test_each_kind_of_entry_has_its_type(kind, type_):
    assert type_ == happening_of(entry(kind)).document()["type"]


def test_a_call_is_told_with_what_it_used_and_cost():
    event = {
        "key_id": "k1",
        "model": "gpt-4.1-mini",
        "usage": {"input_uncached": 13, "output_text": 24, "pieces": [["image", 2]]},
        "end": "completed",
        "stream": True,
    }
    told = happening_of(entry("late", event=event)).data

    assert {"credits": "0.004360", "microcredits": 4360} == told["charge"]
    assert (13, 24, {"image": 2}) == (told["input_tokens"], told["output_tokens"], told["pieces"])
    assert ("op-1", "k1", True, True) == (
        told["request_id"],
        told["api_key_id"],
        told["stream"],
        told["late"],
    )


def test_the_facts_of_a_notice_are_told_as_amounts_and_moments():
    event = {"alert": "80%", "left_ucr": 20, "expires_ms": 1795688107250}
    document = happening_of(entry("grant.expiring", event=event, amount_ucr=0)).document()

    assert {
        "type": "grant.expiring",
        "timestamp": "2026-11-26T10:15:07.250Z",
        "data": {
            "account_id": "lab",
            "subject": "op-1",
            "alert": "80%",
            "left": {"credits": "0.000020", "microcredits": 20},
            "expires_at": "2026-11-26T10:15:07.250Z",
        },
    } == document
