"""Hashes of entries: nothing of one can change, and no two read alike."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.journal import NO_HASH, Entry, Position, chained, slices_of, slices_text

ENTRY = Entry(
    entry_id="1700000000000-0",
    kind="settled",
    account_id="acme",
    operation_id="req_1",
    amount_ucr=10,
    debt_ucr=3,
    observed_ucr=2,
    slices=(("g1", 4), ("g2", 1)),
    event_text='{"model":"small"}',
)


@pytest.mark.parametrize(
    "change",
    [
        {"entry_id": "1700000000000-1"},
        {"kind": "late"},
        {"account_id": "acmf"},
        {"operation_id": "req_2"},
        {"amount_ucr": 11},
        {"debt_ucr": 4},
        {"observed_ucr": 1},
        {"slices": (("g1", 5),)},
        {"event_text": '{"model":"large"}'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_part_of_the_hash(change):
    assert chained(NO_HASH, ENTRY) != chained(NO_HASH, replace(ENTRY, **change))


def test_an_entry_stands_on_all_before_it():
    assert chained(NO_HASH, ENTRY) != chained(chained(NO_HASH, ENTRY), ENTRY)


@given(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))
def test_fields_do_not_run_into_each_other(kind, account, other_kind, other_account):
    one = chained(NO_HASH, replace(ENTRY, kind=kind, account_id=account))
    other = chained(NO_HASH, replace(ENTRY, kind=other_kind, account_id=other_account))

    assert (one == other) == ((kind, account) == (other_kind, other_account))


@pytest.mark.parametrize(
    ("kind", "amounts", "effect"),
    [
        ("funded", {"amount_ucr": 9, "slices": (), "debt_ucr": 0, "observed_ucr": 0}, 9),
        ("settled", {"amount_ucr": 10}, -8),
        ("grant_expired", {"amount_ucr": 5, "debt_ucr": 0, "observed_ucr": 0}, -5),
        ("voided", {"amount_ucr": 8, "debt_ucr": 0, "observed_ucr": 0}, -5),
        ("corrected", {"amount_ucr": 8, "debt_ucr": 3, "observed_ucr": 0}, -8),
        ("debt_paid", {"amount_ucr": 0, "debt_ucr": -5, "observed_ucr": 0}, 0),
    ],
)
def test_what_an_entry_does_to_an_accounts_worth(kind, amounts, effect):
    assert effect == replace(ENTRY, kind=kind, **amounts).effect_ucr


def test_positions_compare_by_number_not_by_text():
    position = Position(entry_id="1700000000000-10")

    assert position.covers(replace(ENTRY, entry_id="1700000000000-9"))
    assert not position.covers(replace(ENTRY, entry_id="1700000000000-11"))


def test_slices_come_back_as_they_went():
    assert ENTRY.slices == slices_of(slices_text(ENTRY.slices))
    assert () == slices_of(slices_text(()))
