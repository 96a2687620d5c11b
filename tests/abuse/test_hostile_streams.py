"""Answers without end, measure or sense: cut, charged as far as can be meant, never in memory."""

import asyncio
import gzip
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from support.abuse import besieged
from support.gateways import OUTPUT_UCR, TestGateway, running_gateway
from support.raw_server import Peer, RawServer
from support.recording_upstream import response

from gateway.metering import sanity

MEGABYTE = 1 << 20
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
JSON = STREAM.replace(b"text/event-stream", b"application/json")


def event(text: str) -> bytes:
    delta = {"choices": [{"index": 0, "delta": {"content": text}}], "id": "c", "model": "m"}
    return b"data: " + orjson.dumps(delta) + b"\n\n"


def flood(head: bytes, begin: bytes, again: bytes) -> Callable[[Peer], Any]:
    """An answer that goes on until the gateway has enough, or a gigabyte is out."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"\r\n" + begin)
        for _ in range((1 << 30) // len(again)):
            await peer.send(again)

    return script


@asynccontextmanager
async def before(
    folder: Path, store_url: str, script: Callable[[Peer], Any], **options: Any
) -> AsyncIterator[TestGateway]:
    async with (
        RawServer(script) as upstream,
        running_gateway(folder, store_url, provider_url=upstream.url, **options) as tk,
    ):
        yield tk


async def read_on(tk: TestGateway, **body: Any) -> int:
    """Bytes that a patient client gets until it is broken off."""
    size = 0

    async def read() -> None:
        nonlocal size
        async with tk.chat(**body) as answer:
            assert 200 == answer.status
            async for chunk in answer.content.iter_any():
                size += len(chunk)

    with pytest.raises(aiohttp.ClientError):
        await read()
    return size


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# Twice what is asked for and some slack, and a short prompt.
MOST_UCR = (2 * 20 + 64 + 100) * OUTPUT_UCR
WORDS = event("toll road " * 400) * 8


@pytest.mark.parametrize("plan", ["{enforcement: rolling}", "{enforcement: strict}"])
async def test_a_stream_of_words_without_end_is_cut_and_its_charge_is_capped(
    tmp_path: Path, store_url: str, plan: str
) -> None:
    async with before(tmp_path, store_url, flood(STREAM, b"", WORDS), plan=plan) as tk:
        async with asyncio.timeout(50):
            size = await read_on(tk, stream=True, max_tokens=20)
        assert size < 4 * MEGABYTE
        found = await tk.assert_books_balance()
        assert found.charged_ucr <= MOST_UCR
        (told,) = await tk.events()
        assert "upstream_failed" == told["end"]


async def test_an_answer_without_end_is_cut_whatever_it_is_made_of(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of these has a word in it that could be counted. The bound is lowered: it takes time."""
    monkeypatch.setattr(sanity, "BYTES_FREE", 2 * MEGABYTE)
    piece = 64 * 1024
    floods = {
        "line": (STREAM, b"data: ", b"a" * piece),
        "comments": (STREAM, b"", b": ping\n\n" * (piece // 8)),
        "events of no kind": (STREAM, b"", b"event: x\ndata: {}\n\n" * 3_000),
        "object": (JSON, b'{"a":"', b"a" * piece),
        "spaces": (JSON, b"", b" " * piece),
    }
    script: list[Callable[[Peer], Any]] = []

    async def next_script(peer: Peer) -> None:
        await script[-1](peer)

    held, charged_ucr = peak_bytes(), 0
    async with before(tmp_path, store_url, next_script) as tk:
        for name, parts in floods.items():
            script.append(flood(*parts))
            async with asyncio.timeout(50):
                size = await read_on(tk, stream=parts[0] is STREAM, max_tokens=20)
            assert size < 10 * MEGABYTE, name
            found = await tk.settled(charged=lambda ucr, least=charged_ucr: ucr > least)
            assert found.charged_ucr - charged_ucr <= MOST_UCR, name
            charged_ucr = found.charged_ucr
        await tk.assert_books_balance()
    assert peak_bytes() - held < 200 * MEGABYTE


async def test_a_compressed_bomb_reaches_the_client_as_it_is_and_costs_the_hold_at_most(
    tmp_path: Path, store_url: str
) -> None:
    bomb = gzip.compress(b"data: " + b"a" * 50_000_000 + b"\n\n")
    answer = response(bomb, b"Content-Encoding: gzip").replace(
        b"application/json", b"text/event-stream"
    )

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(answer)

    held = peak_bytes()
    async with before(tmp_path, store_url, script) as tk:
        async with tk.chat(stream=True, max_tokens=20) as told:
            assert bomb == await told.read()
        found = await tk.assert_books_balance()
        assert 0 < found.charged_ucr < 1_000_000
        (charged,) = await tk.events()
        assert "held" == charged["provenance"]
    assert peak_bytes() - held < 40 * MEGABYTE


async def test_a_usage_beyond_what_was_asked_for_is_not_believed(
    tmp_path: Path, store_url: str
) -> None:
    usages = (
        b'{"prompt_tokens":9,"completion_tokens":30000,"total_tokens":30009}',
        b'{"prompt_tokens":-9,"completion_tokens":-2,"total_tokens":-11}',
        b'{"prompt_tokens":9.5,"completion_tokens":"2"}',
        b'{"prompt_tokens":1%b,"completion_tokens":2}' % (b"0" * 30),
        b'{"prompt_tokens":0,"completion_tokens":0}',
        b"null",
        b"[]",
    )
    choice = b'{"index":0,"finish_reason":"stop","message":{"content":"Yes."}}'
    async with besieged(tmp_path, store_url) as siege:
        for usage in usages:
            body = b'{"choices":[%b],"usage":%b}' % (choice, usage)
            siege.upstream.answer = response(body)
            async with siege.tk.chat(max_tokens=20) as told:
                assert body == await told.read()
        await siege.tk.assert_books_balance()
        events = await siege.tk.events()
        assert ["counted"] * len(usages) == [each["provenance"] for each in events]
        assert 1 == len({each["charge_ucr"] for each in events})
        assert events[0]["charge_ucr"] < 100 * OUTPUT_UCR


async def test_an_answer_of_another_kind_than_was_asked_for_is_never_free(
    tmp_path: Path, store_url: str
) -> None:
    text = event("toll road " * 10) + b"data: [DONE]\n\n"
    kinds = (b"text/plain", b"text/html", b"application/json", b"", b"text/event-stream")
    async with besieged(tmp_path, store_url) as siege:
        for kind in kinds:
            siege.upstream.answer = response(text).replace(b"application/json", kind)
            async with siege.tk.chat(stream=True, max_tokens=200) as told:
                assert text == await told.read()
        await siege.tk.assert_books_balance()
        charges = [each["charge_ucr"] for each in await siege.tk.events()]
        assert len(kinds) == len(charges)
        assert min(charges) > 20 * OUTPUT_UCR
