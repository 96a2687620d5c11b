"""What operators ask of the Metering API at the admin listener."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import Any

import pytest
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, account_with_key, running_gateway
from support.metering_api import caught_up

from gateway.metering.accounts import Account
from gateway.metering.ledger import Grant
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.stores.redis.layout import account_key

# Where layout.py has it in `books`.
DOUBLE, CHARGED = Struct("<d"), 6 * 8


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def ask(gateway: TestGateway, path: str, *, key: str = SERVICE_KEY, **body: Any) -> Any:
    """The decoded answer; a POST if there is a body."""
    url = f"http://127.0.0.1:{gateway.gateway.admin_port}/metering/v1{path}"
    method, sent = ("POST" if body else "GET"), {"Authorization": f"Bearer {key}"}
    async with gateway.http.request(method, url, headers=sent, json=body or None) as answer:
        return await answer.json()


async def test_health_tells_what_happened_and_the_plans_what_was_set_up(gateway) -> None:
    async with gateway.chat() as answer:
        await answer.read()
    async with gateway.chat(headers={"Authorization": "Bearer tk_wrong"}) as answer:
        assert 401 == answer.status
    await gateway.settled(charged=lambda ucr: ucr > 0)
    told = await ask(gateway, "/health")
    plans = await ask(gateway, "/plans")

    assert (True, {}, "connected") == (told["ready"], told["reasons"], told["store_state"])
    assert (1, 1, 1) == (told["workers"], told["calls"], told["wrong_keys"])
    assert {"invalid_api_key": 1} == told["refusals"]
    assert gateway.gateway._settings.digest == told["config_digest"]
    assert [("test", "rolling")] == [(each["name"], each["enforcement"]) for each in plans["data"]]
    assert "scope_missing" == (await ask(gateway, "/health", key=gateway.key))["code"]


async def test_accounts_are_searched_sorted_and_told_page_by_page(gateway) -> None:
    for name, had in (("poor", 1), ("rich", 900)):
        await account_with_key(gateway.session, granted_ucr=had * UCR_PER_CREDIT, account=name)
    await gateway.session.stores.keys.put_account(
        Account(account_id="poor", plan="test", name="Nearly Nothing Ltd")
    )

    async def ids(query: str) -> list[str]:
        return [each["account_id"] for each in (await ask(gateway, f"/standings?{query}"))["data"]]

    assert [ACCOUNT, "poor", "rich"] == await ids("")
    assert ["poor", ACCOUNT, "rich"] == await ids("sort=available")
    assert ["poor"] == await ids("search=nothing+LTD")
    assert [] == await ids("status=suspended")
    page = await ask(gateway, "/standings?sort=available&limit=2")
    assert ("2", 3) == (page["next_cursor"], page["matched"])
    assert ["rich"] == await ids("sort=available&limit=2&cursor=2")


async def test_whose_credit_lapsed_stands_first_if_asked_so(gateway) -> None:
    await account_with_key(gateway.session, granted_ucr=UCR_PER_CREDIT, account="zoe")
    soon_ms = gateway.ledger.now_ms() + 100
    await gateway.ledger.grant(
        Grant(grant_id="short", account_id="zoe", amount_ucr=70, expires_ms=soon_ms)
    )
    while gateway.ledger.now_ms() <= soon_ms:
        await asyncio.sleep(0.02)

    first, *_ = (await ask(gateway, "/standings?sort=lapsed"))["data"]
    assert ("zoe", 70) == (first["account_id"], first["lapsed"]["microcredits"])
    assert 70 == (await ask(gateway, "/overview"))["lapsed"]["microcredits"]


async def test_a_running_calls_hold_is_told_until_it_ends(gateway) -> None:
    calling = asyncio.ensure_future(_whole(gateway, simulate="tokens=300,delay_ms=20"))
    async with asyncio.timeout(30):
        while not (told := await ask(gateway, "/holds"))["data"]:
            await asyncio.sleep(0.02)
    [hold] = told["data"]
    [own] = (await ask(gateway, f"/holds?account_id={ACCOUNT}"))["data"]
    others = await ask(gateway, "/holds?account_id=other")
    key = await account_with_key(gateway.session, granted_ucr=1, account="other")
    mine, theirs = [await _own_holds(gateway, each) for each in (gateway.key, key)]
    await calling
    await gateway.settled(charged=lambda ucr: ucr > 0)

    assert (1, 0) == (told["open"], told["overdue"])
    assert (ACCOUNT, "call") == (hold["account_id"], hold["kind"])
    assert hold["held"]["microcredits"] > 0
    assert hold["started_at"] <= told["as_of"] < hold["lease_ends_at"]
    assert (hold["id"], 0, []) == (own["id"], others["open"], others["data"])
    assert ([hold["id"]], []) == ([each["id"] for each in mine], theirs)
    assert 0 == (await ask(gateway, "/holds"))["open"]


async def _own_holds(gateway: TestGateway, key: str) -> list[dict[str, Any]]:
    """As the holder of a key sees them."""
    url, headers = f"{gateway.origin}/metering/v1/holds", {"Authorization": f"Bearer {key}"}
    async with gateway.http.get(url, headers=headers) as answer:
        found: list[dict[str, Any]] = (await answer.json())["data"]
    return found


async def _whole(gateway: TestGateway, **more: Any) -> None:
    async with gateway.chat(stream=True, **more) as answer:
        await answer.read()


async def test_whose_count_was_charged(gateway) -> None:
    await _whole(gateway)
    await _whole(gateway, simulate="no_usage")
    charged = await caught_up(gateway)
    sums = await ask(gateway, "/accuracy")
    [told] = sums["data"]
    since_s = int(datetime.fromisoformat(sums["since"]).timestamp())
    behind = f"/calls?start_time={since_s}&provenances=counted"

    assert (2, 1, 1, 0) == (told["calls"], told["reported"], told["counted"], told["held"])
    assert charged == told["charged"]["microcredits"]
    assert 0 < told["unreported"]["microcredits"] < charged
    assert sums["since"].endswith(":00:00.000Z")
    [counted] = (await ask(gateway, behind))["data"]
    assert told["unreported"] == counted["charged"]
    assert [] == (await ask(gateway, f"/calls?start_time={since_s + 2 * 86_400}"))["data"]


async def test_an_audit_agrees_and_is_noted(gateway) -> None:
    await _whole(gateway)
    await caught_up(gateway)
    journal = await ask(gateway, "/journal")
    told = await ask(gateway, "/audits", account_id=ACCOUNT)
    nobody = await ask(gateway, "/audits", account_id="nobody")
    noted = (await ask(gateway, "/audit?action=auditAccount"))["data"]

    assert (True, True, []) == (told["agrees"], told["chain_whole"], told["differences"])
    assert journal["entries"] == sum(each["entries"] for each in journal["chains"]) > 0
    assert "not_found" == nobody["code"]
    assert [("nobody", "not_found"), (ACCOUNT, "done")] == [
        (each["account_id"], each["outcome"]) for each in noted
    ]


async def test_an_audit_tells_where_the_ledger_was_changed_by_hand(gateway) -> None:
    await _whole(gateway)
    await caught_up(gateway)
    client, account = gateway.session.stores.client, account_key(ACCOUNT)
    books = bytearray(await client.command("HGET", account, "books"))
    (charged,) = DOUBLE.unpack_from(books, CHARGED)
    DOUBLE.pack_into(books, CHARGED, charged - 7)
    await client.command("HSET", account, "books", bytes(books))
    told = await ask(gateway, "/audits", account_id=ACCOUNT)
    [found] = [each for each in told["differences"] if each["what"] == "charged"]

    assert (False, True) == (told["agrees"], told["chain_whole"])
    assert 7 == found["journal"]["microcredits"] - found["ledger"]["microcredits"]


async def test_operators_sign_ins_are_noted_and_no_key_is(gateway) -> None:
    url = f"http://127.0.0.1:{gateway.gateway.admin_port}/metering/v1/session"
    for key in (gateway.key, SERVICE_KEY):
        async with gateway.http.post(url, json={"key": key}) as answer:
            await answer.read()
    noted = (await ask(gateway, "/audit?action=signIn"))["data"]

    assert [("service:tests", "done"), ("", "invalid_api_key")] == [
        (each["actor"], each["outcome"]) for each in noted
    ]
    assert {"127.0.0.1"} == {each["address"] for each in noted}
    assert gateway.key not in str(noted)
    assert SERVICE_KEY not in str(noted)
