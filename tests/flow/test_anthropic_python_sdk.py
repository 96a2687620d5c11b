"""Anthropic's official Python SDK, unchanged but for its base URL and key: it must notice no
gateway."""

import asyncio
from pathlib import Path

import anthropic
import pytest
from support.anthropic_sdk import (
    INPUT_UCR,
    MODEL,
    OPTIONS,
    OUTPUT_UCR,
    READ_UCR,
    SELLS,
    TOOL,
    WRITTEN_UCR,
    asked,
    gateway_and_sdk,
    provider_sdk,
)
from support.gateways import PROVIDER_CREDENTIAL, running_gateway

from gateway.dialects.anthropic_story import ANSWER_TOKENS

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


@pytest.mark.parametrize("simulate", ["tokens=40", "tokens=20,reasoning=30", "tool", "gzip"])
async def test_a_message_is_what_the_provider_said(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    options = asked(simulate=simulate, tools=[TOOL])
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        direct = await provider_sdk(tk, sdk).messages.create(**options)
        message = await sdk.messages.create(**options)

        assert direct == message
        assert message._request_id == tk.provider.journal.entries[-1].request_id
        await tk.settled()
        [event] = await tk.events()
        assert "reported" == event["provenance"]
        usage = message.usage
        thinking = usage.output_tokens_details.thinking_tokens
        assert usage.input_tokens == event["usage"]["input_uncached"]
        assert thinking == event["usage"].get("output_reasoning", 0)
        assert usage.output_tokens - thinking == event["usage"].get("output_text", 0)
        cost_ucr = usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR
        assert cost_ucr == (await tk.balance()).charged_ucr


async def test_the_provider_sees_its_own_credential_only(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await sdk.messages.create(**asked())

        [entry] = tk.provider.journal.entries
        assert PROVIDER_CREDENTIAL == entry.headers["x-api-key"]
        assert "Authorization" not in entry.headers
        assert sdk.default_headers["anthropic-version"] == entry.headers["anthropic-version"]
        assert tk.key not in str(entry.headers)


async def test_a_key_may_come_as_a_token(tmp_path: Path, store_url: str) -> None:
    """As `ANTHROPIC_AUTH_TOKEN` makes the SDK and coding agents send it."""
    async with gateway_and_sdk(tmp_path, store_url) as (tk, _):
        async with anthropic.AsyncAnthropic(
            base_url=tk.origin, auth_token=tk.key, api_key=None
        ) as sdk:
            assert 12 == (await sdk.messages.create(**asked())).usage.output_tokens


@pytest.mark.parametrize("simulate", ["tokens=40", "tokens=20,reasoning=30", "tool", "gzip"])
async def test_a_stream_adds_up_to_the_message(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    options = asked(simulate=simulate, tools=[TOOL])
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async with provider_sdk(tk, sdk).messages.stream(**options) as stream:
            direct = await stream.get_final_message()
        async with sdk.messages.stream(**options) as stream:
            kinds = [event.type async for event in stream]
            message = await stream.get_final_message()

        assert direct == message
        assert ["message_start", "message_stop"] == [kinds[0], kinds[-1]]
        await tk.settled()
        [event] = await tk.events()
        assert ("reported", "completed") == (event["provenance"], event["end"])
        assert message.usage.output_tokens == sum(
            event["usage"].get(name, 0) for name in ("output_text", "output_reasoning")
        )


async def test_thinking_is_shown_or_left_out_and_charged_either_way(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        for display in ("summarized", "omitted"):
            thinking = {"type": "adaptive", "display": display}
            async with sdk.messages.stream(**asked(thinking=thinking)) as stream:
                message = await stream.get_final_message()
            assert ["thinking", "text"] == [block.type for block in message.content]
            assert (display == "summarized") == bool(message.content[0].thinking)
        await tk.settled()

        assert [24, 24] == [event["usage"]["output_reasoning"] for event in await tk.events()]


async def test_cache_reads_and_writes_have_their_own_rates(tmp_path: Path, store_url: str) -> None:
    prompt = "Roads. " * 500
    options = asked(simulate="cached=400,written=100", system=prompt)
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        usage = (await sdk.messages.create(**options)).usage
        await tk.settled()

        assert (400, 100) == (usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
        assert (
            usage.input_tokens * INPUT_UCR
            + 400 * READ_UCR
            + 100 * WRITTEN_UCR
            + usage.output_tokens * OUTPUT_UCR
            == (await tk.balance()).charged_ucr
        )


@pytest.mark.parametrize("stream", [False, True])
async def test_searches_are_charged_by_the_piece_and_what_they_brought_as_input(
    tmp_path: Path, store_url: str, *, stream: bool
) -> None:
    price = SELLS[MODEL].removesuffix("}") + ', pieces: {web_search: "0.01"}}'
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]
    options = asked(simulate="tokens=30,searches=2", tools=tools)
    async with gateway_and_sdk(tmp_path, store_url, sells={MODEL: price}) as (tk, sdk):
        if stream:
            async with sdk.messages.stream(**options) as streaming:
                usage = (await streaming.get_final_message()).usage
        else:
            usage = (await sdk.messages.create(**options)).usage
        await tk.settled()

        assert 2 == usage.server_tool_use.web_search_requests
        [entry] = tk.provider.journal.entries
        assert entry.prompt_tokens + 1000 == usage.input_tokens
        [event] = await tk.events()
        assert "reported" == event["provenance"]
        assert [["web_search", 2]] == event["usage"]["pieces"]
        searches_ucr = 2 * 1_000_000
        cost_ucr = usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR
        assert cost_ucr + searches_ucr == (await tk.balance()).charged_ucr


async def test_counting_and_listing_are_free(tmp_path: Path, store_url: str) -> None:
    options = asked()
    del options["max_tokens"]
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        counted = await sdk.messages.count_tokens(**options)
        models = [model.id async for model in sdk.models.list()]

        assert counted.input_tokens > 0
        assert MODEL in models
        assert not await tk.events()
        assert 2 == tk.provider.journal.total


async def test_a_tool_is_called_and_its_result_taken_back(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        first = await sdk.messages.create(**asked(simulate="tool", tools=[TOOL]))
        [call] = first.content
        assert ("get_toll", {"road": "Paris", "axles": 3}) == (call.name, call.input)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 EUR"}
        messages = [
            {"role": "user", "content": "What does it cost?"},
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        second = await sdk.messages.create(**asked(messages=messages, tools=[TOOL]))

        assert "end_turn" == second.stop_reason
        await tk.settled()
        assert 2 == len(await tk.events())


async def test_a_client_that_leaves_is_charged_what_it_had_and_the_input_as_reported(
    tmp_path: Path, store_url: str
) -> None:
    options = asked(simulate="tokens=400,delay_ms=10,cached=5")
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async with sdk.messages.stream(**options) as stream:
            texts = []
            async for text in stream.text_stream:
                texts.append(text)
                if len(texts) == 20:
                    break
        await tk.settled()

        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert ("counted", "client_left") == (event["provenance"], event["end"])
        assert 20 <= event["usage"]["output_text"] <= entry.tokens + 1 < 400
        assert entry.prompt_tokens - 5 == event["usage"]["input_uncached"]
        assert 5 == event["usage"]["input_cache_read"]


@pytest.mark.parametrize("fault", ["reset_after:12", "close_after:12"])
async def test_a_stream_that_breaks_is_charged_as_far_as_it_came(
    tmp_path: Path, store_url: str, fault: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(Exception):  # noqa: B017 (whatever the SDK's transport calls it)
            async with sdk.messages.stream(**asked(simulate=f"tokens=40,fail={fault}")) as stream:
                await stream.get_final_message()
        await tk.settled()

        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert ("counted", "upstream_failed") == (event["provenance"], event["end"])
        assert entry.tokens == event["usage"]["output_text"]
        assert entry.prompt_tokens == event["usage"]["input_uncached"]


@pytest.mark.parametrize("lie", ["no_usage", "usage_zero", "completion_tokens=1"])
async def test_a_report_that_cannot_be_is_replaced_by_our_count(
    tmp_path: Path, store_url: str, lie: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async for _ in await sdk.messages.create(
            **asked(simulate=f"tokens=300,{lie}", stream=True)
        ):
            pass
        await tk.settled()

        [event] = await tk.events()
        assert "counted" == event["provenance"]
        assert 300 + ANSWER_TOKENS == event["usage"]["output_text"]


async def test_openai_and_anthropic_clients_share_a_gateway(tmp_path: Path, store_url: str) -> None:
    options = OPTIONS | {"apis": "[openai, anthropic]", "auth": "bearer"}
    async with running_gateway(tmp_path, store_url, **options) as tk:
        async with anthropic.AsyncAnthropic(base_url=tk.origin, api_key=tk.key) as sdk:
            [claude, chat] = await asyncio.gather(sdk.messages.create(**asked()), _chat(tk))

        assert 12 == claude.usage.output_tokens
        assert 200 == chat
        await tk.assert_books_balance()
        assert {"anthropic_messages", "openai_chat"} == {
            event["dialect"] for event in await tk.events()
        }


async def _chat(tk) -> int:
    async with tk.chat() as answer:
        await answer.read()
        return answer.status
