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
        layout.due_key(tag),
        layout.hold_key(tag, "r1"),
        layout.bucket_key(tag, "a:acme:calls_in_parallel:0"),
        layout.key_record_key("acme", "k1"),
        layout.day_key("acme", 0),
    ]

    assert [] == [key for key in keys if not key.startswith(tag)]
    assert len(keys) == len(set(keys))


def test_a_day_starts_at_midnight_utc() -> None:
    assert 1_700_006_400_000 == layout.day_of(1_700_006_400_000)
    assert 1_699_920_000_000 == layout.day_of(1_700_006_399_999)
