"""The provider fails: the client sees it, and only what was produced is charged."""

import asyncio
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.gateways import INPUT_UCR, OUTPUT_UCR, running_gateway


@pytest.mark.parametrize("fault", ["reset_after", "close_after"])
async def test_a_broken_stream_is_seen_as_broken_and_charged_as_counted(
    tmp_path: Path, store_url: str, fault: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        with pytest.raises(aiohttp.ClientError):
            async with tk.chat(stream=True, simulate=f"tokens=50,fail={fault}:10") as answer:
                await answer.read()
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert "upstream_failed" == event["end"]
        assert "counted" == event["provenance"]
        output = event["usage"]["output_text"]
        assert 0 < output <= tk.provider.journal.entries[0].tokens
        prompt = event["usage"]["input_uncached"]
        assert prompt * INPUT_UCR + output * OUTPUT_UCR == balance.charged_ucr


async def test_an_unreachable_provider_is_502_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        await tk.provider.stop()
        async with tk.chat() as answer:
            assert 502 == answer.status
            assert "upstream_failed" == orjson.loads(await answer.read())["error"]["code"]
        assert 0 == (await tk.assert_books_balance()).charged_ucr


async def test_a_provider_that_does_not_begin_is_504_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, first_byte_s=0.5) as tk:
        async with tk.chat(simulate="first_ms=5000,tokens=3") as answer:
            assert 504 == answer.status
        assert 0 == (await tk.assert_books_balance()).charged_ucr


async def test_a_stream_that_falls_silent_is_cut_and_charged(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, idle_s=0.5) as tk:
        with pytest.raises(aiohttp.ClientError):
            async with (
                asyncio.timeout(10),
                tk.chat(stream=True, simulate="tokens=50,fail=silent_after:10") as answer,
            ):
                await answer.read()
        balance = await tk.assert_books_balance()
        assert balance.charged_ucr > 0


@pytest.mark.parametrize("lie", ["completion_tokens=99999999", "completion_tokens=1"])
async def test_an_absurd_usage_is_replaced_by_our_count(
    tmp_path: Path, store_url: str, lie: str
) -> None:
    """One token reported for three hundred streamed; a hundred million for twenty."""
    tokens = 300 if lie.endswith("=1") else 20
    async with running_gateway(tmp_path, store_url, checkpoint_s=0.1) as tk:
        async with tk.chat(stream=True, simulate=f"tokens={tokens},delay_ms=3,{lie}") as answer:
            await answer.read()
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert "counted" == event["provenance"]
        assert tokens == event["usage"]["output_text"]
