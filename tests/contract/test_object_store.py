"""What the store owes stored objects: each is one account's, remembered for a time, then not."""

import pytest

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import object_key
from gateway.stores.redis.objects import BRIEFLY_KEPT_S, KEPT_S, RedisObjects

FILE = "openai:file-1"


@pytest.fixture
def objects(store_client: RedisClient) -> RedisObjects:
    return RedisObjects(store_client)


async def ttl_s(client: RedisClient, name: str) -> int:
    return int(await client.command("TTL", object_key("acme", name)))


async def test_an_object_is_its_creators_and_nobody_elses(objects: RedisObjects) -> None:
    await objects.put("acme", FILE, {"bytes": 7})

    assert [{"bytes": 7}, None] == await objects.get("acme", [FILE, "openai:file-2"])
    assert [None] == await objects.get("other", [FILE])
    assert [True, False] == await objects.own("acme", [FILE, "openai:file-2"])
    assert [False] == await objects.own("other", [FILE])
    assert ([], []) == (await objects.get("acme", []), await objects.own("acme", []))


async def test_what_was_dropped_is_nobodys(objects: RedisObjects) -> None:
    await objects.put("acme", FILE, {})
    await objects.drop("acme", FILE)

    assert [None] == await objects.get("acme", [FILE])


async def test_a_record_goes_when_nobody_has_asked_for_it_for_long(
    objects: RedisObjects, store_client: RedisClient
) -> None:
    await objects.put("acme", FILE, {})
    await objects.put("acme", "openai:resp_1", {}, briefly=True)
    await objects.own("acme", ["openai:resp_1"])

    assert KEPT_S - 60 < await ttl_s(store_client, FILE) <= KEPT_S
    assert BRIEFLY_KEPT_S - 60 < await ttl_s(store_client, "openai:resp_1") <= BRIEFLY_KEPT_S

    await objects.get("acme", ["openai:resp_1"])

    assert await ttl_s(store_client, "openai:resp_1") > BRIEFLY_KEPT_S
