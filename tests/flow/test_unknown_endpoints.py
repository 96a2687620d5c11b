"""A path that no table knows: refused, forwarded free, or forwarded for a fee on the ledger."""

from pathlib import Path
from typing import Any

import pytest
from support.gateways import TestGateway, running_gateway

FLAT = 'unknown_endpoints: forward_flat\nunknown_endpoint_usd: "0.02"'
# Two US cents are two credits.
FEE_UCR = 2_000_000
# The provider answers the first with 200 and the second with 404.
THERE, NOWHERE = "/_simulator/journal", "/v1/nothing/here"


def ask(tk: TestGateway, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {tk.key}"}
    return tk.http.get(tk.base_url.removesuffix("/v1") + path, headers=headers, **options)


async def counted(tk: TestGateway, handled: str) -> float:
    name = "tollkeeper_unknown_endpoint_requests_total"
    return await tk.metric(rf'{name}{{handled="{handled}"}}')


async def test_by_default_it_is_refused_and_reaches_nobody(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with ask(tk, THERE) as answer:
            assert 404 == answer.status
            assert "unknown_endpoint" in await answer.text()
        assert 1 == await counted(tk, "refused")
        assert not tk.provider.journal.entries


async def test_forwarded_free_it_is_authenticated_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    more = "unknown_endpoints: forward_free"
    async with running_gateway(tmp_path, store_url, more=more) as tk:
        async with ask(tk, THERE) as answer:
            assert 200 == answer.status
        async with tk.http.get(tk.base_url + "/nothing") as answer:
            assert 401 == answer.status
        assert 2 == await counted(tk, "forwarded_free")
        assert 0 == (await tk.balance()).charged_ucr


async def test_for_a_fee_it_is_charged_like_any_call_once_it_is_answered(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, more=FLAT) as tk:
        async with ask(tk, THERE) as answer:
            assert 200 == answer.status
        found = await tk.assert_books_balance()
        assert FEE_UCR == found.charged_ucr
        assert 1 == await counted(tk, "forwarded_for_a_fee")
    [line] = tk.lines.calls()
    assert ("unknown_endpoint", "unknown_endpoint") == (line["model"], line["dialect"])
    assert (FEE_UCR, FEE_UCR) == (line["cost_ucr"], line["held_ucr"])


async def test_for_a_fee_an_error_of_the_provider_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, more=FLAT) as tk:
        async with ask(tk, NOWHERE) as answer:
            assert 404 == answer.status
        found = await tk.assert_books_balance()
        assert (0, 0) == (found.charged_ucr, found.held_ucr)


async def test_for_a_fee_it_is_refused_when_the_fee_cannot_be_paid(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, credit=1.9, more=FLAT) as tk:
        async with ask(tk, THERE) as answer:
            assert 429 == answer.status
            assert "insufficient_quota" in await answer.text()
        assert not tk.provider.journal.entries


@pytest.mark.parametrize(
    ("models", "status"), [("[gpt-*]", 403), ("[gpt-*, unknown_endpoint]", 200)]
)
async def test_for_a_fee_a_plan_with_models_must_allow_it(
    tmp_path: Path, store_url: str, models: str, status: int
) -> None:
    plan = f"{{models: {models}}}"
    async with running_gateway(tmp_path, store_url, plan=plan, more=FLAT) as tk:
        async with ask(tk, THERE) as answer:
            assert status == answer.status


async def test_what_is_sent_and_answered_is_not_touched(tmp_path: Path, store_url: str) -> None:
    body = bytes(range(256)) * 100
    async with running_gateway(tmp_path, store_url, more=FLAT) as tk:
        url = tk.base_url.removesuffix("/v1") + "/v9/some%2Fthing?a=b"
        headers = {"Authorization": f"Bearer {tk.key}", "Content-Type": "application/x-other"}
        async with tk.http.put(url, data=body, headers=headers) as answer:
            assert 404 == answer.status
        [entry] = tk.provider.journal.entries
        assert ("/v9/some%2Fthing?a=b", body) == (entry.path, entry.body)
        assert "application/x-other" == entry.headers["Content-Type"]


async def test_what_is_served_without_a_charge_is_told_at_the_start(
    tmp_path: Path, store_url: str
) -> None:
    more = "unknown_endpoints: forward_free"
    async with running_gateway(tmp_path / "free", store_url, more=more) as free:
        pass
    async with running_gateway(tmp_path / "refused", store_url) as refused:
        pass

    [line] = [line for line in free.lines.all() if line["event"] == "unmetered_route"]
    assert ("warning", "unknown_endpoints is forward_free") == (line["level"], line["reason"])
    told = [
        [line["unmetered_routes"] for line in tk.lines.all() if line["event"] == "metering_checked"]
        for tk in (free, refused)
    ]
    assert [[1], [0]] == told
