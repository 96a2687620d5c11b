"""Account, projects, keys: limits at each level hold real calls, all in one admission."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, post_chat, running_gateway

ROOT = "/metering/v1"
PER_PROJECT = "{limits: [{unit: requests, per: day, ceiling: 3, scope: project}]}"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url, plan=PER_PROJECT) as gateway:
        yield gateway


async def ask(
    gateway: TestGateway, method: str, path: str, *, once: str = "", **body: Any
) -> tuple[int, Any]:
    url = gateway.base_url.removesuffix("/v1") + ROOT + path
    sent = {"Authorization": f"Bearer {SERVICE_KEY}"} | ({"Idempotency-Key": once} if once else {})
    async with gateway.http.request(method, url, headers=sent, json=body or None) as answer:
        return answer.status, await answer.json(content_type=None)


async def key_of(gateway: TestGateway, project: str, name: str, **more: Any) -> str:
    _, made = await ask(
        gateway, "POST", "/keys", once=name, account_id=ACCOUNT, project=project, **more
    )
    return str(made["key"])


async def call(gateway: TestGateway, key: str) -> tuple[int, str]:
    sent = {"Authorization": f"Bearer {key}"}
    async with post_chat(gateway.http, gateway.base_url, headers=sent) as answer:
        told = await answer.json()
        return answer.status, told.get("error", {}).get("code", "")


async def test_limits_hold_for_key_and_project_and_not_for_their_neighbours(gateway) -> None:
    for project in ("search", "chat"):
        status, _ = await ask(
            gateway, "POST", f"/accounts/{ACCOUNT}/projects", once=project, id=project
        )
        assert 201 == status
    once = {"unit": "requests", "window": "total", "ceiling": 1}
    capped = await key_of(gateway, "search", "capped", limits=[once])
    free = await key_of(gateway, "search", "free")
    other = await key_of(gateway, "chat", "other")

    assert [(200, ""), (429, "rate_limit_exceeded")] == [await call(gateway, capped) for _ in "ab"]
    # Three requests of the project: one by the capped key, so two are left to the other.
    assert [200, 200, 429] == [(await call(gateway, free))[0] for _ in range(3)]
    assert 200 == (await call(gateway, other))[0]
    assert 200 == (await call(gateway, gateway.key))[0]


async def test_a_projects_own_limit_takes_the_plans_place_and_a_stopped_one_is_refused(
    gateway,
) -> None:
    limit = {"unit": "requests", "window": "day", "ceiling": 1}
    await ask(
        gateway, "POST", f"/accounts/{ACCOUNT}/projects", once="p", id="small", limits=[limit]
    )
    key = await key_of(gateway, "small", "k")

    assert [200, 429] == [(await call(gateway, key))[0] for _ in "ab"]

    status, changed = await ask(
        gateway, "PATCH", f"/accounts/{ACCOUNT}/projects/small", status="suspended"
    )
    assert (200, "suspended") == (status, changed["status"])
    while (refused := await call(gateway, key))[0] == 429:
        pass
    assert (403, "project_inactive") == refused


async def test_a_key_belongs_to_a_project_that_is_there(gateway) -> None:
    status, told = await ask(
        gateway, "POST", "/keys", once="x", account_id=ACCOUNT, project="nowhere"
    )

    assert (404, "not_found") == (status, told["code"])


async def test_an_accounts_plan_gives_its_allowance_and_tells_the_next_reset(
    tmp_path: Path, store_url: str
) -> None:
    plan = '{allowance: {credits: "12.5", every: week, rollover: {credits: "2"}}}'
    async with running_gateway(tmp_path, store_url, plan=plan) as gateway:
        _, made = await ask(gateway, "POST", "/accounts", once="a", id="lab", plan="test")
        _, balance = await ask(gateway, "GET", "/accounts/lab/balance")
        _, plans = await ask(gateway, "GET", "/plans")

    assert "test" == made["plan"]
    assert "12.500000" == balance["available"]["credits"]
    assert balance["next_reset"] == balance["next_expiry"]
    assert balance["next_reset"].endswith("T00:00:00.000Z")
    (told,) = plans["data"]
    assert ("week", "2.000000") == (
        told["allowance"]["every"],
        told["allowance"]["rollover"]["credits"],
    )
