"""Webhook endpoints in the store: bounded for each account, and gone once they are gone."""

import asyncio
from dataclasses import replace

from support import asks

from gateway.metering.notices import OPERATOR
from gateway.metering.webhooks import ENDPOINTS_MAX, Endpoint
from gateway.stores.redis.notice_queue import RedisEndpoints


def endpoint(name: str, account_id: str = asks.ACCOUNT) -> Endpoint:
    return Endpoint(endpoint_id=name, account_id=account_id, url="https://example.com/hook")


async def test_an_account_never_has_more_than_it_may_however_many_ask_at_once(ledger) -> None:
    endpoints = RedisEndpoints(ledger._client)
    asked = [endpoint(f"we_{number:02d}") for number in range(ENDPOINTS_MAX + 5)]
    added = await asyncio.gather(*map(endpoints.add, asked))
    others = await endpoints.add(endpoint("we_other", "other"))

    assert (ENDPOINTS_MAX, True) == (sum(added), others)
    assert ENDPOINTS_MAX == len(await endpoints.listed(asks.ACCOUNT))
    assert ENDPOINTS_MAX + 1 == len(await endpoints.listed())


async def test_what_was_removed_is_not_changed_back_and_makes_room(ledger) -> None:
    endpoints = RedisEndpoints(ledger._client)
    mine, operators = endpoint("we_1"), endpoint("we_2", OPERATOR)
    assert await endpoints.add(mine)
    assert await endpoints.add(operators)
    off = replace(operators, disabled="HTTP 410")
    assert await endpoints.remove(mine)

    assert await endpoints.change(operators, off)
    assert not await endpoints.change(mine, replace(mine, disabled="HTTP 410"))
    assert not await endpoints.remove(operators)
    assert (None, off) == (await endpoints.get("we_1"), await endpoints.get("we_2"))
    assert [off] == list(await endpoints.listed())
    assert [] == list(await endpoints.listed(asks.ACCOUNT))
