"""Streams on little credit: the hold grows with the answer, and ends it cleanly when it cannot."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, running_gateway

ROLLING = "{enforcement: rolling, slice_tokens: 16}"


def chunks_of(stream: bytes) -> list[Any]:
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ")]
    assert b"[DONE]" == events[-1]
    return [orjson.loads(event) for event in events[:-1]]


def text_of(chunks: list[Any]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    "script", ["tokens=400", "tokens=400,split_bytes=11", "tokens=400,chunk_tokens=40"]
)
async def test_a_stream_that_outgrows_its_credit_ends_cleanly_and_is_charged_as_relayed(
    tmp_path: Path, store_url: str, script: str, *, asked: bool
) -> None:
    """Credit for the prompt and about a hundred tokens; the model would say four hundred."""
    async with running_gateway(tmp_path, store_url, plan=ROLLING, credit=0.018) as tk:
        async with tk.chat(
            simulate=script, stream=True, stream_options={"include_usage": asked}
        ) as answer:
            assert 200 == answer.status
            chunks = chunks_of(await answer.read())
        counted = tk.gateway._inherited.counter.open(MODEL)
        counted.feed(text_of(chunks))
        relayed_tokens = counted.total()
        usage = [chunk for chunk in chunks if not chunk["choices"]]
        finish = chunks[-2 if asked else -1]["choices"][0]
        assert "length" == finish["finish_reason"]
        assert asked == bool(usage)
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]
        assert relayed_tokens == event["usage"]["output_text"]
        assert 40 < relayed_tokens <= 113
        if asked:
            assert relayed_tokens == usage[0]["usage"]["completion_tokens"]
        prompt_ucr = event["usage"]["input_uncached"] * INPUT_UCR
        assert prompt_ucr + relayed_tokens * OUTPUT_UCR == balance.charged_ucr
        assert 0 == balance.debt_ucr
        async with asyncio.timeout(2):
            while tk.provider.journal.entries[0].departure == "running":
                await asyncio.sleep(0.01)
        assert "completed" != tk.provider.journal.entries[0].departure or "tokens=40" in script


async def test_a_big_max_tokens_runs_on_a_small_balance(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, plan=ROLLING, credit=0.1) as tk:
        async with tk.chat(max_tokens=30_000, stream=True, simulate="tokens=200") as answer:
            assert 200 == answer.status
            chunks = chunks_of(await answer.read())
        assert "stop" == chunks[-1]["choices"][0]["finish_reason"]
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert "completed" == event["end"]
        assert 200 == event["usage"]["output_text"]


async def test_strict_holds_the_worst_case(tmp_path: Path, store_url: str) -> None:
    plan = "{enforcement: strict}"
    async with running_gateway(tmp_path, store_url, plan=plan, credit=0.1) as tk:
        async with tk.chat(max_tokens=30_000, stream=True) as answer:
            assert 429 == answer.status
            assert b"insufficient_quota" in await answer.read()
        books = await tk.assert_books_balance()
        assert (books.granted_ucr, 0) == (books.available_ucr, books.charged_ucr)


async def test_soft_finishes_on_overdraft_and_then_refuses(tmp_path: Path, store_url: str) -> None:
    plan = "{enforcement: soft, slice_tokens: 16, overdraft_credits: 1}"
    async with running_gateway(tmp_path, store_url, plan=plan, credit=0.01) as tk:
        async with tk.chat(stream=True, simulate="tokens=300") as answer:
            chunks = chunks_of(await answer.read())
        assert "stop" == chunks[-1]["choices"][0]["finish_reason"]
        balance = await tk.settled()
        assert 0 == balance.available_ucr
        assert balance.debt_ucr > 0
        async with tk.chat(stream=True, simulate="tokens=3") as answer:
            assert 429 == answer.status
        await tk.assert_books_balance()


async def test_observe_counts_and_never_refuses(tmp_path: Path, store_url: str) -> None:
    plan = "{enforcement: observe, limits: [{unit: requests, per: minute, ceiling: 1}]}"
    async with running_gateway(tmp_path, store_url, plan=plan, credit=0) as tk:
        for _ in range(3):
            async with tk.chat(stream=True, simulate="tokens=30") as answer:
                assert 200 == answer.status
                await answer.read()
        balance = await tk.assert_books_balance()
        assert 0 == balance.debt_ucr
        assert balance.observed_ucr == balance.charged_ucr > 0


async def test_a_stream_that_may_have_to_be_cut_is_asked_for_uncompressed(
    tmp_path: Path, store_url: str
) -> None:
    """And one that comes compressed all the same passes whole, and is charged whole."""
    async with running_gateway(tmp_path, store_url, plan=ROLLING, credit=0.018) as tk:
        async with tk.chat(
            simulate="tokens=400,gzip",
            headers={"Accept-Encoding": "gzip"},
            stream=True,
            stream_options={"include_usage": True},
        ) as answer:
            assert b"[DONE]" in gzip.decompress(await answer.read())
        [entry] = tk.provider.journal.entries
        assert "identity" == entry.headers["Accept-Encoding"]
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert ("completed", 400) == (event["end"], event["usage"]["output_text"])
        assert balance.debt_ucr > 0
