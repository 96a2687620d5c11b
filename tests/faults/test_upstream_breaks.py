"""The provider fails: the client sees it, and only what was produced is charged."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.gateways import INPUT_UCR, OUTPUT_UCR, running_gateway
from support.raw_server import Peer, RawServer


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


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = 20
SAID = b'{"id":"c","model":"gpt-4.1-mini","choices":[{"index":0,"delta":{"content":" toll"}}]}'
TOLD = b'{"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":20}}'
FAILED = b'{"error":{"message":"overloaded","type":"server_error","param":null,"code":null}}'


def _chunk(document: bytes) -> bytes:
    event = b"data: %b\n\n" % document
    return b"%x\r\n%b\r\n" % (len(event), event)


def _sending(chunks: Sequence[bytes], *, broken: bool) -> RawServer:
    """Sends a stream of these chunks and then closes, without the end of its body if `broken`."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM, *chunks, *([] if broken else [b"0\r\n\r\n"]))

    return RawServer(script)


async def test_a_connection_that_breaks_after_the_last_byte_costs_the_full_charge(
    tmp_path: Path, store_url: str
) -> None:
    chunks = [_chunk(SAID)] * WORDS + [_chunk(TOLD), _chunk(b"[DONE]")]
    async with (
        _sending(chunks, broken=True) as server,
        running_gateway(tmp_path, store_url, provider_url=server.url) as tk,
    ):
        with pytest.raises(aiohttp.ClientError):
            async with tk.chat(stream=True) as answer:
                await answer.read()
        balance = await tk.assert_books_balance()
        assert 9 * INPUT_UCR + WORDS * OUTPUT_UCR == balance.charged_ucr
        [event] = await tk.events()
        assert ("upstream_failed", "reported") == (event["end"], event["provenance"])


async def test_an_error_in_mid_stream_is_passed_on_and_what_was_produced_is_charged(
    tmp_path: Path, store_url: str
) -> None:
    chunks = [_chunk(SAID)] * WORDS + [_chunk(FAILED)]
    async with (
        _sending(chunks, broken=False) as server,
        running_gateway(tmp_path, store_url, provider_url=server.url) as tk,
    ):
        async with tk.chat(stream=True) as answer:
            assert (await answer.read()).endswith(b"data: %b\n\n" % FAILED)
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert WORDS == event["usage"]["output_text"]
        prompt = event["usage"]["input_uncached"]
        assert prompt * INPUT_UCR + WORDS * OUTPUT_UCR == balance.charged_ucr
