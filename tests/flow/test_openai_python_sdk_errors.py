"""The official Python SDK on what goes wrong: its own error types, its own retries, no storm."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from support.gateways import MODEL
from support.held_credit import STRICT, held_until_refused
from support.python_sdk import (
    CUT_SHORT,
    MESSAGES,
    ask,
    chunks_of,
    gateway_and_sdk,
    provider_sdk,
    text_of,
)

from gateway.metering.accounts import Status

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


async def test_a_wrong_key_is_an_authentication_error(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2) as (tk, sdk):
        with pytest.raises(openai.AuthenticationError) as caught:
            await ask(sdk.copy(api_key="tk_unknown"))

        assert "invalid_api_key" == caught.value.code
        assert tk.key not in str(caught.value)
    assert 1 == len(tk.lines.calls())


async def test_a_revoked_key_is_told_the_same_as_an_unknown_one(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await tk.session.stores.keys.set_key_status(tk.key.split("_")[1], Status.REVOKED)
        with pytest.raises(openai.AuthenticationError) as revoked:
            await ask(sdk)
        with pytest.raises(openai.AuthenticationError) as unknown:
            await ask(sdk.copy(api_key="tk_unknown"))

        assert unknown.value.body == revoked.value.body


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"model": "claude-x"}, openai.PermissionDeniedError, "model_not_allowed"),
        ({"model": "gpt-unpriced"}, openai.PermissionDeniedError, "model_not_priced"),
        ({"max_tokens": -1}, openai.BadRequestError, "invalid_request"),
        ({"messages": "not a list"}, openai.BadRequestError, "invalid_request"),
    ],
)
async def test_refusals_are_the_sdks_own_errors_and_are_not_retried(
    tmp_path: Path, store_url: str, options: Any, error: type[openai.APIStatusError], code: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2) as (tk, sdk):
        with pytest.raises(error) as caught:
            await ask(sdk, **options)

        assert code == caught.value.code
        assert not tk.provider.journal.entries
    assert 1 == len(tk.lines.calls())


async def test_an_endpoint_that_is_not_served_is_not_found(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2) as (tk, sdk):
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk.post("/nothing-here", cast_to=object, body={})

        assert "unknown_endpoint" == caught.value.code
    assert 1 == len(tk.lines.calls())


@pytest.mark.parametrize("stream", [False, True])
async def test_an_empty_account_causes_no_retry_storm(
    tmp_path: Path, store_url: str, *, stream: bool
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2, credit=0) as (tk, sdk):
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(sdk, stream=stream)

        error = caught.value
        assert ("insufficient_quota", "insufficient_quota") == (error.code, error.type)
        assert "0.000000" == error.body["available"]
        assert not tk.provider.journal.entries
    [line] = tk.lines.calls()
    assert "insufficient_quota" == line["reason"]


async def test_held_credit_is_waited_for(tmp_path: Path, store_url: str) -> None:
    options = {"plan": STRICT, "credit": 0.2, "max_retries": 2}
    async with gateway_and_sdk(tmp_path, store_url, **options) as (tk, sdk):
        async with held_until_refused(tk, max_tokens=1000):
            waiting = asyncio.ensure_future(ask(sdk, simulate="tokens=3", max_tokens=1000))

        assert 3 == (await waiting).usage.completion_tokens


async def test_a_place_among_parallel_calls_is_waited_for(tmp_path: Path, store_url: str) -> None:
    plan = "{limits: [{unit: calls, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan, max_retries=4) as (tk, sdk):
        answers = await asyncio.gather(ask(sdk, simulate="first_ms=300"), ask(sdk))

        assert ["stop", "stop"] == [answer.choices[0].finish_reason for answer in answers]
        assert 2 == tk.provider.journal.total


async def test_a_full_minute_is_a_rate_limit_error_that_says_when(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: requests, per: minute, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (_, sdk):
        await ask(sdk)
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(sdk)

        error = caught.value
        assert ("rate_limit_exceeded", "rate_limit_error") == (error.code, error.type)
        assert "requests_per_minute" == error.body["limit"]
        assert 0 < int(error.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize("status", [429, 500])
async def test_the_providers_failures_are_retried_as_without_a_gateway(
    tmp_path: Path, store_url: str, status: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=1) as (tk, sdk):
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(sdk, simulate=f"status={status}")

        assert status == caught.value.status_code
        entries = tk.provider.journal.entries
        assert ["0", "1"] == [entry.headers["x-stainless-retry-count"] for entry in entries]
        assert entries[-1].request_id == caught.value.request_id
        assert 0 == (await tk.balance()).charged_ucr


async def test_a_gateway_that_shuts_down_is_an_internal_server_error(
    tmp_path: Path, store_url: str
) -> None:
    """A call still waiting for its provider when the time to drain is over."""
    async with gateway_and_sdk(tmp_path, store_url, drain_s=0.1) as (tk, sdk):
        call = asyncio.ensure_future(ask(sdk, simulate="first_ms=20000"))
        await tk.provider.journal.wait_for(lambda journal: journal.total == 1)
        await tk.gateway.drain()
        with pytest.raises(openai.InternalServerError) as caught:
            await call

        assert (503, "draining") == (caught.value.status_code, caught.value.code)


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream_cut_by_quota_ends_like_one_cut_by_length(
    tmp_path: Path, store_url: str, *, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": include_usage}}
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        chunks = await chunks_of(await ask(sdk, simulate="tokens=400", stream=True, **options))

        [reason] = [part.finish_reason for chunk in chunks for part in chunk.choices][-1:]
        assert "length" == reason
        [entry] = tk.provider.journal.entries
        assert entry.texts[0].startswith(text_of(chunks))
        await tk.settled()
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]
        usages = [chunk.usage.completion_tokens for chunk in chunks if chunk.usage]
        assert ([event["usage"]["output_text"]] if include_usage else []) == usages


async def test_a_cut_stream_looks_like_the_providers_own_cut(
    tmp_path: Path, store_url: str
) -> None:
    """Chunk by chunk what the provider sends when the same length is its `max_tokens`."""
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        cut = await chunks_of(await ask(sdk, simulate="tokens=400", **options))
        options["max_tokens"] = cut[-1].usage.completion_tokens
        direct = provider_sdk(tk, sdk)
        expected = await chunks_of(await ask(direct, simulate="tokens=400", **options))

        essence = {"id", "model", "object", "choices"}
        assert [chunk.model_dump(include=essence) for chunk in expected] == [
            chunk.model_dump(include=essence) for chunk in cut
        ]
        assert expected[-1].usage.completion_tokens == cut[-1].usage.completion_tokens


async def test_the_stream_helper_takes_a_cut_for_the_length_it_is(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (_, sdk):
        async with sdk.chat.completions.stream(
            model=MODEL, messages=MESSAGES, extra_headers={"x-simulate": "tokens=400"}
        ) as stream:
            # What the helper's `parse` half says of every answer that reached its `max_tokens`.
            with pytest.raises(openai.LengthFinishReasonError) as caught:
                await stream.get_final_completion()

        assert caught.value.completion.choices[0].message.content


@pytest.mark.parametrize("fault", ["reset_after", "close_after", "silent_after"])
async def test_a_stream_the_provider_breaks_is_a_connection_error(
    tmp_path: Path, store_url: str, fault: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, idle_s=0.5) as (tk, sdk):
        stream = await ask(sdk, simulate=f"tokens=50,fail={fault}:10", stream=True)
        with pytest.raises(openai.APIConnectionError):
            await chunks_of(stream)

        await tk.settled()
        [event] = await tk.events()
        assert "upstream_failed" == event["end"]


async def test_a_provider_that_does_not_answer_in_time_is_tried_again(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=1, first_byte_s=0.3) as (tk, sdk):
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(sdk, simulate="first_ms=20000")

        assert (504, "upstream_timeout") == (caught.value.status_code, caught.value.code)
        assert 2 == tk.provider.journal.total


async def test_a_provider_that_is_not_there_is_an_internal_server_error(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await tk.provider.stop()
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(sdk)

        assert (502, "upstream_failed") == (caught.value.status_code, caught.value.code)


async def test_a_client_that_gives_up_waiting_costs_no_answer(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.APITimeoutError):
            await ask(sdk, simulate="first_ms=20000", timeout=0.3)

        await tk.provider.journal.wait_for(
            lambda journal: journal.entries[0].departure == "client_left"
        )
        await tk.settled()
        [event] = await tk.events()
        assert ("client_left", 0) == (event["end"], event["usage"]["output_text"])
