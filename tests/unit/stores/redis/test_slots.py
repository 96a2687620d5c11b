"""Slots of keys, commands and scripts."""

import pytest

from gateway.stores.redis.encode import request
from gateway.stores.redis.slots import ANY, slot_of_command, slot_of_key, slot_of_request


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        # From the specification and from CLUSTER KEYSLOT of Redis 7.0.
        (b"123456789", 12739),
        (b"foo", 12182),
        (b"{foo}bar", 12182),
        (b"x{foo}{bar}", 12182),
        (b"foo{}{bar}", 8363),
        (b"foo{{bar}}zap", 4015),
        (b"", 0),
    ],
)
def test_slots_are_the_specifications(key: bytes, slot: int) -> None:
    assert slot == slot_of_key(key)


@pytest.mark.parametrize(
    "parts",
    [
        ("GET", "foo"),
        ("MGET", "{foo}1", "{foo}2"),
        ("XINFO", "GROUPS", "foo"),
        ("XGROUP", "CREATE", "foo", "sink", "$", "MKSTREAM"),
        ("XREADGROUP", "GROUP", "sink", "us", "COUNT", 5, "STREAMS", "foo", ">"),
        ("SET", b"foo", 1),
    ],
)
def test_a_command_belongs_to_its_first_keys_slot(parts: tuple[str | bytes | int, ...]) -> None:
    assert 12182 == slot_of_command(parts)


@pytest.mark.parametrize("parts", [("TIME",), ("PING",), ("PUBLISH", "keys", "k 1")])
def test_a_command_without_a_key_belongs_anywhere(parts: tuple[str, ...]) -> None:
    assert ANY == slot_of_command(parts)


def test_a_script_belongs_to_its_first_keys_slot() -> None:
    assert 12182 == slot_of_request(request(("{foo}a", "{foo}b"), ("text\r\n$3", 5)))
