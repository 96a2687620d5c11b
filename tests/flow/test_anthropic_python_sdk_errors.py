"""Anthropic's official Python SDK on what goes wrong: its own error types, no storm of retries,
and streams that end as it expects."""

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest
from support.anthropic_sdk import (
    CUT_SHORT,
    INPUT_UCR,
    MESSAGES,
    MODEL,
    OPTIONS,
    OUTPUT_UCR,
    TOOL,
    asked,
    gateway_and_sdk,
    provider_sdk,
)
from support.gateways import running_gateway

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


async def test_a_wrong_key_is_an_authentication_error(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2) as (tk, sdk):
        with pytest.raises(anthropic.AuthenticationError) as caught:
            await sdk.copy(api_key="tk_unknown").messages.create(**asked())

        assert ("authentication_error", "invalid_api_key") == (
            caught.value.type,
            caught.value.error_code,
        )
        assert tk.key not in str(caught.value)
    [line] = tk.lines.calls()
    assert line["request_id"] == caught.value.request_id


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"model": "elsewhere"}, anthropic.PermissionDeniedError, "model_not_allowed"),
        ({"model": "gpt-4.1"}, anthropic.PermissionDeniedError, "model_not_priced"),
        ({"max_tokens": -1}, anthropic.BadRequestError, "invalid_request"),
        ({"messages": "not a list"}, anthropic.BadRequestError, "invalid_request"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            anthropic.PermissionDeniedError,
            "model_not_priced",
        ),
    ],
)
async def test_refusals_are_the_sdks_own_errors_and_are_not_retried(
    tmp_path: Path, store_url: str, options: Any, error: type[anthropic.APIStatusError], code: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2) as (tk, sdk):
        with pytest.raises(error) as caught:
            await sdk.messages.create(**asked(**options))

        assert code == caught.value.error_code
        assert not tk.provider.journal.entries
    assert 1 == len(tk.lines.calls())


async def test_a_missing_max_tokens_is_refused_by_the_provider_in_its_own_words(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        body = {"model": MODEL, "messages": MESSAGES}
        with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
            await sdk.post("/v1/messages", cast_to=object, body=body)

        assert 0 == (await tk.settled()).charged_ucr


@pytest.mark.parametrize("stream", [False, True])
async def test_an_empty_account_causes_no_retry_storm(
    tmp_path: Path, store_url: str, *, stream: bool
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2, credit=0) as (tk, sdk):
        with pytest.raises(anthropic.PaymentRequiredError) as caught:
            await sdk.messages.create(**asked(stream=stream))

        error = caught.value
        assert ("billing_error", "insufficient_quota") == (error.type, error.error_code)
        assert "0.000000" == error.body["error"]["details"]["available"]
        assert not tk.provider.journal.entries
    [line] = tk.lines.calls()
    assert (402, "insufficient_quota") == (line["status"], line["reason"])


async def test_a_full_minute_is_a_rate_limit_error_that_says_when(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: requests, per: minute, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (_, sdk):
        answer = await sdk.messages.with_raw_response.create(**asked())
        with pytest.raises(anthropic.RateLimitError) as caught:
            await sdk.messages.create(**asked())

        error = caught.value
        assert ("rate_limit_error", "rate_limit_exceeded") == (error.type, error.error_code)
        assert 0 < int(error.response.headers["retry-after"]) <= 60
        for headers in (answer.headers, error.response.headers):
            assert "1" == headers["anthropic-ratelimit-requests-limit"]
            assert "0" == headers["anthropic-ratelimit-requests-remaining"]
            assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")
            assert "anthropic-ratelimit-tokens-limit" not in headers
            assert '"account_requests_per_minute";r=0' in headers["RateLimit"]


async def test_a_place_among_parallel_calls_is_waited_for(tmp_path: Path, store_url: str) -> None:
    plan = "{limits: [{unit: calls, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan, max_retries=4) as (tk, sdk):
        answers = await asyncio.gather(
            sdk.messages.create(**asked(simulate="first_ms=300")),
            sdk.messages.create(**asked()),
        )

        assert ["end_turn", "end_turn"] == [answer.stop_reason for answer in answers]
        assert 2 == tk.provider.journal.total


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_the_providers_failures_are_retried_as_without_a_gateway(
    tmp_path: Path, store_url: str, status: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=1) as (tk, sdk):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await sdk.messages.create(**asked(simulate=f"status={status}"))

        assert status == caught.value.status_code
        entries = tk.provider.journal.entries
        assert ["0", "1"] == [entry.headers["x-stainless-retry-count"] for entry in entries]
        assert entries[-1].request_id == caught.value.request_id
        assert 0 == (await tk.balance()).charged_ucr


async def test_a_gateway_that_shuts_down_is_overloaded(tmp_path: Path, store_url: str) -> None:
    """A call still waiting for its provider when the time to drain is over."""
    async with gateway_and_sdk(tmp_path, store_url, drain_s=0.1) as (tk, sdk):
        call = asyncio.ensure_future(sdk.messages.create(**asked(simulate="first_ms=20000")))
        await tk.provider.journal.wait_for(lambda journal: journal.total == 1)
        await tk.gateway.drain()
        with pytest.raises(anthropic.OverloadedError) as caught:
            await call

        assert (529, "draining") == (caught.value.status_code, caught.value.error_code)


async def test_an_unknown_path_is_told_in_the_callers_form(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        with pytest.raises(anthropic.NotFoundError) as caught:
            await sdk.post("/v1/nothing-here", cast_to=object, body={})

        assert "not_found_error" == caught.value.type


async def test_an_unknown_path_goes_to_the_callers_own_api_if_the_operator_says_so(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, more="unknown_endpoints: forward_free") as (
        tk,
        sdk,
    ):
        with pytest.raises(anthropic.NotFoundError):
            await sdk.post("/v1/nothing-here", cast_to=object, body={})

        assert ["/v1/nothing-here"] == [entry.path for entry in tk.provider.journal.entries]


@pytest.mark.parametrize("simulate", ["tokens=400", "tokens=400,chunk_tokens=40"])
async def test_a_stream_cut_by_quota_ends_like_one_cut_by_max_tokens(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        async with sdk.messages.stream(**asked(simulate=simulate)) as stream:
            message = await stream.get_final_message()
        await tk.settled()

        assert "max_tokens" == message.stop_reason
        [entry] = tk.provider.journal.entries
        [text] = message.content
        assert entry.texts[0].startswith(text.text)
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]
        produced = event["usage"]["output_text"]
        assert (entry.prompt_tokens, produced) == (
            message.usage.input_tokens,
            message.usage.output_tokens,
        )
        assert 40 < produced <= 113
        balance = await tk.assert_books_balance()
        assert entry.prompt_tokens * INPUT_UCR + produced * OUTPUT_UCR == balance.charged_ucr
        assert 0 == balance.debt_ucr


async def test_a_cut_stream_looks_like_the_providers_own_cut(
    tmp_path: Path, store_url: str
) -> None:
    """Event by event what the provider sends when the same length is its `max_tokens`."""
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        options = asked(simulate="tokens=400", stream=True)
        cut = [event async for event in await sdk.messages.create(**options)]
        options["max_tokens"] = cut[-2].usage.output_tokens
        direct = await provider_sdk(tk, sdk).messages.create(**options)
        expected = [event async for event in direct]

        usage = {"message": {"usage"}, "usage": True}
        assert [event.model_dump(exclude=usage) for event in expected] == [
            event.model_dump(exclude=usage) for event in cut
        ]
        assert expected[-2].usage.output_tokens == cut[-2].usage.output_tokens


async def test_a_tool_call_that_is_cut_is_put_together_as_far_as_it_came(
    tmp_path: Path, store_url: str
) -> None:
    properties = {f"road_{number}": {"type": "string"} for number in range(80)}
    tool = TOOL | {"input_schema": {"type": "object", "properties": properties}}
    options = CUT_SHORT | {"credit": 1.2}
    async with gateway_and_sdk(tmp_path, store_url, **options) as (tk, sdk):
        async with sdk.messages.stream(**asked(simulate="tool", tools=[tool])) as stream:
            message = await stream.get_final_message()
        await tk.settled()

        [call] = message.content
        assert ("max_tokens", "get_toll") == (message.stop_reason, call.name)
        assert 0 < len(call.input) < 80
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]


async def test_a_stream_cut_while_it_thinks_has_no_text(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        async with sdk.messages.stream(**asked(simulate="tokens=40,reasoning=400")) as stream:
            message = await stream.get_final_message()
        await tk.settled()

        assert ["thinking"] == [block.type for block in message.content]
        assert "max_tokens" == message.stop_reason
        [event] = await tk.events()
        assert 40 < event["usage"]["output_text"] <= 113


async def test_quota_status_is_the_operators_choice(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(
        tmp_path, store_url, credit=0, more="refusals: {quota_status: 429}", **OPTIONS
    ) as tk:
        async with anthropic.AsyncAnthropic(base_url=tk.origin, api_key=tk.key) as sdk:
            with pytest.raises(anthropic.RateLimitError) as caught:
                await sdk.messages.create(**asked())

    assert "insufficient_quota" == caught.value.error_code
    assert 1 == len(tk.lines.calls())
