"""Key names are a stored format: these figures are fixed for ever."""

import pytest

from gateway.stores.redis import layout


@pytest.mark.parametrize(
    ("account_id", "tag"),
    [("account-0", "{s38}"), ("account-1", "{s48}"), ("account-2", "{s10}"), ("é", "{s62}")],
)
def test_an_account_stays_in_its_shard(account_id: str, tag: str) -> None:
    assert tag == layout.shard_tag(account_id)


def test_all_keys_of_an_account_carry_its_tag() -> None:
    tag = layout.shard_tag("acme")

    keys = [
        *layout.money_keys("acme"),
        layout.ids_key("acme"),
        layout.due_key(tag),
        layout.hold_key(tag, "r1"),
        layout.key_record_key("acme", "k1"),
        layout.day_key("acme", 0),
    ]

    assert [] == [key for key in keys if not key.startswith(tag)]
    assert len(keys) == len(set(keys))


def test_a_day_starts_at_midnight_utc() -> None:
    assert 1_700_006_400_000 == layout.day_of(1_700_006_400_000)
    assert 1_699_920_000_000 == layout.day_of(1_700_006_399_999)


def test_limits_of_one_owner_stand_together_whatever_their_window() -> None:
    names = ["k:7f3a:tokens_per_minute:1700000000000", "k:7f3a:calls_in_parallel:0"]

    assert ["b:k:7f3a"] * 2 == [layout.owner_field(name) for name in names]
    assert [210199629345101, 281123768403461] == [layout.bucket_id(name) for name in names]
