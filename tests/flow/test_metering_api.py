"""The Metering API through a real gateway: what a key's holder sees, and its own description."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.gateways import ACCOUNT, TestGateway, account_with_key, running_gateway

ROOT = "/metering/v1"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def get(gateway: TestGateway, path: str, *, key: str | None = None) -> tuple[int, Any]:
    url = gateway.base_url.removesuffix("/v1") + ROOT + path
    sent = {"Authorization": f"Bearer {gateway.key if key is None else key}"}
    async with gateway.http.get(url, headers=sent) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_key_sees_itself(gateway):
    status, told = await get(gateway, "/key")

    assert 200 == status
    assert (ACCOUNT, "test", "rolling") == (told["account_id"], told["plan"], told["enforcement"])
    assert gateway.key.split("_")[1] == told["id"]
    assert gateway.key not in str(told)


async def test_the_balance_follows_the_calls(gateway):
    _, before = await get(gateway, "/balance")
    async with gateway.chat() as answer:
        await answer.read()
    books = await gateway.settled(charged=lambda ucr: ucr > 0)
    _, after = await get(gateway, "/balance")

    assert ("100.000000", "1") == (before["available"]["credits"], before["usd"])
    assert books.available_ucr == after["available"]["microcredits"]
    assert books.charged_ucr == after["charged"]["microcredits"]
    assert books.available_ucr == after["grants"][0]["remaining"]["microcredits"]


async def test_limits_tell_what_is_left_and_asking_takes_nothing(tmp_path, store_url):
    plan = "{limits: [{unit: requests, per: month, ceiling: 9}, {unit: calls, ceiling: 3}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as gateway:
        async with gateway.chat() as answer:
            await answer.read()
        await gateway.settled(charged=lambda ucr: ucr > 0)
        for _ in range(3):
            _, told = await get(gateway, "/limits")
        asked = await gateway.balance()

    requests, calls = told["data"]
    assert (9, 8, 3, 3) == (
        *(requests["ceiling"], requests["remaining"]),
        *(calls["ceiling"], calls["remaining"]),
    )
    assert requests["resets_at"] > told["as_of"]
    assert calls["resets_at"] is None
    assert 0 == asked.live_holds


async def test_pricing_says_what_a_credit_buys(gateway):
    _, told = await get(gateway, "/pricing")
    line = next(line for line in told["models"] if line["model"] == "gpt-4.1-mini")

    assert "0.01" == told["usd_per_credit"]
    assert "40.000000" == line["rates"][0]["credits_per_million_tokens"]["input_uncached"]
    assert 25_000 == line["rates"][0]["tokens_per_credit"]["input_uncached"]


async def test_another_account_sees_its_own_balance_only(gateway):
    other = await account_with_key(gateway.session, granted_ucr=0, account="other")
    _, told = await get(gateway, "/balance", key=other)

    assert ("other", 0) == (told["account_id"], told["available"]["microcredits"])


@pytest.mark.parametrize("path", ["/key", "/balance", "/pricing"])
@pytest.mark.parametrize("key", ["", "tk_x", "ts_" + "a" * 40])
async def test_without_a_valid_key_there_is_nothing_to_see(gateway, path, key):
    status, told = await get(gateway, path, key=key)

    assert (401, "invalid_api_key") == (status, told["code"])


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/key/", "/balance/x"])
async def test_what_is_not_there_is_a_problem_with_a_code(gateway, path):
    status, told = await get(gateway, path)

    assert (404, "not_found", 404) == (status, told["code"], told["status"])


async def test_unknown_parameters_are_refused(gateway):
    status, told = await get(gateway, "/balance?acount=1")

    assert (400, "invalid_request", "acount") == (status, told["code"], told["param"])


async def test_the_api_describes_itself(gateway):
    status, document = await get(gateway, "/openapi.json", key="")
    OpenAPIV31SpecValidator(document).validate()
    url = f"{gateway.base_url.removesuffix('/v1')}{ROOT}/docs"
    async with gateway.http.get(url) as page:
        text, policy = await page.text(), page.headers["Content-Security-Policy"]

    assert 200 == status
    assert {f"{ROOT}/key", f"{ROOT}/balance", f"{ROOT}/pricing"} <= set(document["paths"])
    assert "GET /metering/v1/balance" in text
    assert "<script" not in text
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
