"""Which entries of the outbox are told to an account's owner."""

import pytest

from gateway.metering.happenings import type_of
from gateway.metering.journal import LAPSED, MOVEMENTS, Entry
from gateway.metering.notices import NoticeKind
from gateway.metering.webhooks import told_by_webhook


def entry(kind: str) -> Entry:
    return Entry(
        entry_id="1700000000000-0",
        kind=kind,
        account_id="acme",
        operation_id="g1",
        amount_ucr=0,
        debt_ucr=0,
        observed_ucr=0,
        slices=(),
    )


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_is_told_as_what_it_is(kind):
    assert kind == type_of(kind)
    assert told_by_webhook(entry(kind))


def test_of_movements_only_a_lapsed_grant_is_told_as_a_notice():
    told = {kind: type_of(kind) for kind in MOVEMENTS if type_of(kind) in set(NoticeKind)}

    assert {LAPSED: NoticeKind.GRANT_EXPIRED} == told


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_moves_no_credit(kind):
    assert 0 == entry(kind).effect_ucr
    assert kind not in MOVEMENTS
