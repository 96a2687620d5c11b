"""What the operator sees of all accounts together: their money, and what came to nothing."""

import asyncio
from pathlib import Path
from typing import Any

from support.gateways import (
    ACCOUNT,
    MODEL,
    SERVICE_KEY,
    TestGateway,
    account_with_key,
    running_gateway,
)
from support.metering_api import ROOT, ask


async def test_the_operator_sees_all_accounts_money(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as gateway:
        await account_with_key(gateway.session, granted_ucr=500, account="other")
        async with gateway.chat() as answer:
            await answer.read()
        books = await gateway.settled(charged=lambda ucr: ucr > 0)
        sent = {"Authorization": f"Bearer {SERVICE_KEY}"}
        origin = f"http://127.0.0.1:{gateway.gateway.admin_port}"
        async with gateway.http.get(f"{origin}/metering/v1/overview", headers=sent) as answer:
            told = await answer.json()
        key = {"Authorization": f"Bearer {gateway.key}"}
        async with gateway.http.get(f"{origin}/metering/v1/overview", headers=key) as answer:
            as_caller = answer.status

    assert (2, 2, 0, 0) == (
        told["accounts"],
        told["accounts_counted"],
        told["suspended"],
        told["running_calls"],
    )
    assert books.charged_ucr == told["charged"]["microcredits"]
    assert books.granted_ucr + 500 == told["granted"]["microcredits"]
    assert books.available_ucr + 500 == told["liability"]["microcredits"]
    assert [ACCOUNT] == [each["account_id"] for each in told["most_charged"]]
    assert 403 == as_caller


async def test_calls_that_came_to_nothing_are_counted_for_payer_and_operator(
    tmp_path: Path, store_url: str
) -> None:
    """A stranger's are nobody's; what was served and charged is not among them."""
    async with running_gateway(tmp_path, store_url) as gateway:
        poor = await account_with_key(gateway.session, granted_ucr=1, account="poor")
        for simulate, key in [
            *(("status=500", gateway.key), ("tokens=3", gateway.key)),
            *(("", poor), ("", poor), ("", "tk_wrong")),
        ]:
            sent = {"Authorization": f"Bearer {key}"}
            async with gateway.chat(simulate=simulate, headers=sent) as answer:
                await answer.read()
        origin = f"http://127.0.0.1:{gateway.gateway.admin_port}"
        everybody = await counted(gateway, origin, "/refusals/all", SERVICE_KEY, calls=3)
        mine = await counted(gateway, gateway.origin, "/refusals", gateway.key, calls=1)
        theirs = await counted(gateway, gateway.origin, "/refusals", poor, calls=2)
        by_minute, _ = await ask(gateway, "/refusals?start_time=0&bucket_width=1m")

    assert {"provider_error": ("failed", MODEL, 1)} == mine
    assert {"insufficient_quota": ("refused", MODEL, 2)} == theirs
    assert mine | theirs == everybody
    assert 400 == by_minute


async def counted(
    gateway: TestGateway, origin: str, path: str, key: str, *, calls: int
) -> dict[str, Any]:
    """By reason and model, since yesterday, once there are so many."""
    start = gateway.ledger.now_ms() // 1000 - 86_400
    url = f"{origin}{ROOT}{path}?start_time={start}&group_by=model"
    async with asyncio.timeout(30):
        while True:
            async with gateway.http.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
                page = await answer.json()
            found = [each for bucket in page["data"] for each in bucket["results"]]
            if calls == sum(each["num_calls"] for each in found):
                return {
                    each["reason"]: (each["kind"], each["model"], each["num_calls"])
                    for each in found
                }
            await asyncio.sleep(0.1)
