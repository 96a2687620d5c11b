"""What a call that cannot be paid for, or is not allowed, is told; and that it costs nothing."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import OUTPUT_UCR, running_gateway

from gateway.metering.accounts import Status


async def error_of(answer: Any) -> dict[str, Any]:
    return orjson.loads(await answer.read())["error"]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer ", "Bearer tk_wrong", "Basic abc", f"Bearer tk_{'A' * 12}_{'B' * 39}"],
)
async def test_strangers_get_one_message_and_reach_nobody(
    tmp_path: Path, store_url: str, authorization: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(headers={"Authorization": authorization}) as answer:
            assert 401 == answer.status
            assert "Bearer" in answer.headers["WWW-Authenticate"]
            error = await error_of(answer)
        assert "invalid_api_key" == error["code"]
        assert not tk.provider.journal.entries


async def test_credit_that_is_gone_is_not_retried(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, credit=0.01) as tk:
        async with tk.chat(max_tokens=1000) as answer:
            assert 429 == answer.status
            assert "false" == answer.headers["x-should-retry"]
            assert "Retry-After" not in answer.headers
            error = await error_of(answer)
        assert "insufficient_quota" == error["code"]
        assert "0.010000" == error["available"]
        affordable = error["affordable_max_tokens"]
        assert 0 < affordable < 10_000 // OUTPUT_UCR + 1
        async with tk.chat(max_tokens=affordable, simulate="tokens=500") as answer:
            assert 200 == answer.status
        async with tk.chat(max_tokens=1) as answer:
            assert 429 == answer.status
        assert 1 == tk.provider.journal.total


async def test_credit_that_is_only_held_is_worth_a_retry(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, credit=0.2) as tk:
        first = asyncio.ensure_future(_read(tk, simulate="tokens=10,first_ms=600", max_tokens=1000))
        async with asyncio.timeout(5):
            while not (await tk.balance()).held_ucr:
                await asyncio.sleep(0.01)
        async with tk.chat(max_tokens=1000) as answer:
            assert 429 == answer.status
            assert "1" == answer.headers["Retry-After"]
            assert "balance_held" == (await error_of(answer))["code"]
        assert 200 == await first
        async with tk.chat(max_tokens=1000, simulate="tokens=3") as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()


async def _read(tk: Any, **body: Any) -> int:
    async with tk.chat(**body) as answer:
        await answer.read()
        return answer.status


async def test_a_request_limit_names_itself_and_when_to_come_back(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: requests, per: minute, ceiling: 2}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        for remaining in ("1", "0"):
            async with tk.chat(simulate="tokens=1") as answer:
                assert 200 == answer.status
                assert "2" == answer.headers["x-ratelimit-limit-requests"]
                assert remaining == answer.headers["x-ratelimit-remaining-requests"]
        async with tk.chat() as answer:
            assert 429 == answer.status
            assert 0 < int(answer.headers["Retry-After"]) <= 60
            assert "0" == answer.headers["x-ratelimit-remaining-requests"]
            assert "r=0" in answer.headers["RateLimit"]
            error = await error_of(answer)
        assert "rate_limit_exceeded" == error["code"]
        assert "requests_per_minute" == error["limit"]
        await tk.assert_books_balance()


async def test_parallel_calls_are_given_back_when_they_end(tmp_path: Path, store_url: str) -> None:
    plan = "{limits: [{unit: calls, ceiling: 2}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        statuses = await asyncio.gather(
            *(_read(tk, simulate="tokens=2,first_ms=300") for _ in range(5))
        )
        assert [200, 200, 429, 429, 429] == sorted(statuses)
        await tk.settled()
        assert 200 == await _read(tk, simulate="tokens=2")


async def test_a_token_limit_is_settled_to_what_was_used(tmp_path: Path, store_url: str) -> None:
    plan = "{limits: [{unit: tokens, per: day, ceiling: 2000}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        for _ in range(3):
            assert 200 == await _read(tk, simulate="tokens=100", max_tokens=900)
            await tk.settled()
        async with tk.chat(max_tokens=1900) as answer:
            assert 429 == answer.status
            error = await error_of(answer)
        assert "tokens_per_day" == error["limit"]
        assert 1900 > error["available"] > 1500


@pytest.mark.parametrize(
    ("model", "plan", "code"),
    [
        ("claude-x", "{}", "model_not_allowed"),
        ("gpt-unpriced", "{}", "model_not_priced"),
        # Sold by the picture, and a chat makes none: nothing could be charged for it.
        ("gpt-pictures", "{}", "model_not_priced"),
        ("gpt-4.1-mini", "{models: [other-*]}", "model_not_allowed"),
    ],
)
async def test_models_that_are_not_allowed_or_priced_are_refused(
    tmp_path: Path, store_url: str, model: str, plan: str, code: str
) -> None:
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        async with tk.chat(model=model) as answer:
            assert 403 == answer.status
            assert code == (await error_of(answer))["code"]
        assert not tk.provider.journal.entries


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"model": 3, "messages": []}',
        b'{"model": "gpt-4.1-mini", "model": "gpt-4.1", "messages": []}',
        b'{"model": "gpt-4.1-mini", "messages": [], "max_tokens": -1}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
    ],
)
async def test_bad_bodies_are_refused_in_the_dialect_and_charge_nothing(
    tmp_path: Path, store_url: str, body: bytes
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        headers = {"Authorization": f"Bearer {tk.key}", "Content-Type": "application/json"}
        async with tk.http.post(
            f"{tk.base_url}/chat/completions", data=body, headers=headers
        ) as answer:
            assert 400 == answer.status
            assert "invalid_request_error" == (await error_of(answer))["type"]
        assert 0 == (await tk.assert_books_balance()).charged_ucr
        assert not tk.provider.journal.entries


@pytest.mark.parametrize(
    "path", ["/v1/unknown", "/v1/chat/completions/", "/v1//chat/completions", "/../v1/models"]
)
async def test_unknown_paths_are_refused_by_default(
    tmp_path: Path, store_url: str, path: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tk.key}\r\n"
        writer.write(f"{head}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"unknown_endpoint" in answer
        assert not tk.provider.journal.entries


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("realtime/client_secrets", b"it hands out a credential that would bypass the meter"),
        ("organization/projects", b"it administers the organisation"),
        ("fine_tuning/alpha/graders/run", b"a grader may be a model of the caller"),
    ],
)
async def test_paths_that_would_cost_unseen_are_refused_with_the_reason(
    tmp_path: Path, store_url: str, path: str, reason: bytes
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        headers = {"Authorization": f"Bearer {tk.key}"}
        async with tk.http.post(f"{tk.base_url}/{path}", headers=headers, json={}) as answer:
            assert 403 == answer.status
            refusal = await answer.read()
        assert b"endpoint_refused" in refusal
        assert reason in refusal
        assert not tk.provider.journal.entries


async def test_a_revoked_key_is_refused_within_a_second(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        assert 200 == await _read(tk, simulate="tokens=1")
        key_id = tk.key.split("_")[1]
        await tk.session.stores.keys.set_key_status(key_id, Status.REVOKED)
        await asyncio.sleep(1)
        async with tk.chat() as answer:
            assert 401 == answer.status
        assert 1 == tk.provider.journal.total


async def test_a_suspended_account_is_refused(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        account = await tk.session.stores.keys.account(tk.account)
        assert account is not None
        suspended = type(account)(
            account_id=account.account_id, plan=account.plan, status=Status.SUSPENDED
        )
        await tk.session.stores.keys.put_account(suspended)
        async with tk.chat() as answer:
            assert 403 == answer.status
            assert "account_inactive" == (await error_of(answer))["code"]


async def test_a_tool_without_a_price_is_refused_before_it_is_used(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        headers = {"Authorization": f"Bearer {tk.key}"}
        body = {"model": "gpt-4.1-mini", "input": "Hi", "tools": [{"type": "web_search"}]}
        async with tk.http.post(f"{tk.base_url}/responses", json=body, headers=headers) as answer:
            assert 403 == answer.status
            error = await error_of(answer)
        assert "model_not_priced" == error["code"]
        assert "web_search of the model 'gpt-4.1-mini' has no price here" in error["message"]
        assert not tk.provider.journal.entries
