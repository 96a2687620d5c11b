"""A call that is sent to a second provider while the first says nothing: one answer, one charge."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, TestGateway, running_gateway
from support.raw_server import Peer, RawServer

from gateway.simulator.script import Script, read_script

SOON = "after_ms: 50, budget_percent: 100"
CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
)
USAGE = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}\n\ndata: [DONE]\n\n'
)
GOOD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    + CHUNK
    + USAGE
)


def error(status: int) -> bytes:
    return b"HTTP/1.1 %d No\r\nX-Theirs: first\r\nContent-Length: 0\r\n\r\n" % status


@dataclass
class Silent:
    """A provider that says nothing until it is told what."""

    asked: int = 0
    left: int = 0
    """Calls that were cut off."""
    says: asyncio.Future[bytes] = field(default_factory=asyncio.Future)

    async def serve(self, peer: Peer) -> None:
        if not await peer.request():
            return
        self.asked += 1
        gone = asyncio.ensure_future(peer.gone())
        await asyncio.wait((gone, self.says), return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.left += 1
            return
        gone.cancel()
        if not self.says.result():
            peer.reset()
            return
        await peer.send(self.says.result())


@dataclass
class Hedged:
    gateway: TestGateway
    first: Silent

    def second(self, script: str) -> None:
        """How the second provider answers."""
        self.gateway.provider.script = read_script(script, defaults=Script())

    @property
    def asked_second(self) -> int:
        return self.gateway.provider.journal.total

    async def call(self, **body: Any) -> tuple[int, bytes]:
        async with self.gateway.chat(**{"max_tokens": 5, "stream": True} | body) as answer:
            return answer.status, await answer.read()

    def begin(self, **body: Any) -> "asyncio.Task[tuple[int, bytes]]":
        return asyncio.ensure_future(self.call(**body))

    async def begin_at_both(self) -> "asyncio.Task[tuple[int, bytes]]":
        """The first was silent for too long."""
        call = self.begin()
        await until(lambda: self.asked_second == 1)
        return call

    async def ended(self, provider: str, end: str) -> float:
        labels = f'hedge="{end}",provider="{provider}"'
        return await self.gateway.metric(rf"tollkeeper_hedges_total\{{{labels}\}}")

    async def event(self) -> dict[str, Any]:
        """Of the one call that was charged."""
        await self.gateway.assert_books_balance()
        [event] = await self.gateway.events()
        return event


@asynccontextmanager
async def hedged(
    folder: Path,
    store_url: str,
    hedge: str = SOON,
    *,
    failover: str = "",
    settings: str = "",
    **options: Any,
) -> AsyncIterator[Hedged]:
    """`settings`: more of the first provider's."""
    first = Silent()
    async with RawServer(first.serve) as server:
        route = (
            f'  - {{match: "{MODEL}", providers: [{{name: first}}, '
            f"{{name: simulated, priority: 2}}], hedge: {{{hedge}}}, failover: {{{failover}}}}}\n"
        )
        provider = f'  first: {{base_url: "{server.url}", auth: none, {settings}}}\n'
        async with running_gateway(
            folder, store_url, providers=provider, routes=route, **options
        ) as gateway:
            yield Hedged(gateway, first)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_second_answers_for_a_silent_first_and_is_charged_alone(
    tmp_path: Path, store_url: str
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        status, body = await tk.call()
        assert (200, True) == (status, body.endswith(b"data: [DONE]\n\n"))
        await until(lambda: tk.first.left == 1)
        event = await tk.event()

        [entry] = tk.gateway.provider.journal.entries
        owed_ucr = entry.prompt_tokens * INPUT_UCR + entry.tokens * OUTPUT_UCR
        assert ("simulated", 2, owed_ucr) == (
            event["provider"],
            event["attempts"],
            event["charge_ucr"],
        )
        cut_off = {"provider": "first", "model": MODEL, "rate_id": event["rate_id"]}
        assert cut_off == event["cut_off"]
        await until(lambda: bool(tk.gateway.lines.calls()))
        assert ["first"] == [line["cut_off"] for line in tk.gateway.lines.calls()]
        assert 1 == await tk.ended("simulated", "won")
        tokens = await tk.gateway.metric(
            r'tollkeeper_cut_off_prompt_tokens_total\{provider="first"\}'
        )
        assert entry.prompt_tokens == tokens
        # To be slow is no failure.
        assert 0 == await tk.gateway.metric(r"tollkeeper_failovers_total\{.*\}")
        assert 0 == await tk.gateway.metric(r"tollkeeper_provider_ejections_total\{.*\}")


async def test_the_first_may_still_win_and_the_second_is_cut_off(
    tmp_path: Path, store_url: str
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        tk.second("first_ms=60000")
        call = await tk.begin_at_both()
        tk.first.says.set_result(GOOD)
        status, body = await call
        event = await tk.event()

        assert (200, True) == (status, CHUNK in body)
        assert ("first", 2) == (event["provider"], event["attempts"])
        assert 9 * INPUT_UCR + OUTPUT_UCR == event["charge_ucr"]
        assert "simulated" == event["cut_off"]["provider"]
        assert 1 == await tk.ended("simulated", "lost")


async def test_one_that_answers_in_time_is_asked_alone(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, "after_ms: 60000") as tk:
        tk.first.says.set_result(GOOD)
        assert 200 == (await tk.call())[0]
        event = await tk.event()

        assert ("first", 1, None, 0) == (
            event["provider"],
            event["attempts"],
            event["cut_off"],
            tk.asked_second,
        )


@pytest.mark.parametrize("says", [error(503), b""])
async def test_when_the_first_fails_the_second_stands(
    tmp_path: Path, store_url: str, says: bytes
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        tk.second("first_ms=1500")
        call = await tk.begin_at_both()
        tk.first.says.set_result(says)

        assert 200 == (await call)[0]
        event = await tk.event()
        assert ("simulated", 2, None) == (event["provider"], event["attempts"], event["cut_off"])
        assert 1 == await tk.ended("simulated", "won")
        assert 1 == await tk.gateway.metric(r'tollkeeper_failovers_total\{.*provider="first"\}')


async def test_what_the_first_finds_wrong_with_a_request_is_told_at_once(
    tmp_path: Path, store_url: str
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        tk.second("first_ms=60000")
        call = await tk.begin_at_both()
        tk.first.says.set_result(error(400))

        assert 400 == (await call)[0]
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


@pytest.mark.parametrize("trouble", ["status=401", "status=503"])
async def test_when_the_second_fails_the_first_stands(
    tmp_path: Path, store_url: str, trouble: str
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        tk.second(trouble)
        call = await tk.begin_at_both()
        await until(lambda: tk.gateway.provider.journal.entries[0].ended_s > 0)
        # Both sides share one loop: what was sent has been read by now.
        await asyncio.sleep(0.1)
        tk.first.says.set_result(GOOD)

        assert 200 == (await call)[0]
        event = await tk.event()
        assert ("first", 2, None) == (event["provider"], event["attempts"], event["cut_off"])
        assert 1 == await tk.ended("simulated", "failed")


async def test_when_both_fail_the_rules_of_failover_hold(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, failover="attempts_max: 2") as tk:
        tk.second("status=503")
        call = await tk.begin_at_both()
        tk.first.says.set_result(error(502))

        # Whichever was the last to fail is told.
        assert (await call)[0] in (502, 503)
        assert (1, 1) == (tk.first.asked, tk.asked_second)
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr
        assert 1 == await tk.ended("simulated", "failed")


async def test_beyond_the_budget_nobody_else_is_asked(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, "after_ms: 50, budget_percent: 1") as tk:
        assert 200 == (await tk.call())[0]
        second = tk.begin()
        async with asyncio.timeout(30):
            while not await tk.gateway.metric(r"tollkeeper_hedges_withheld_total"):
                await asyncio.sleep(0.02)
        tk.first.says.set_result(GOOD)

        assert 200 == (await second)[0]
        await tk.gateway.assert_books_balance()
        events = await tk.gateway.events()
        assert ["simulated", "first"] == [event["provider"] for event in events]
        assert 1 == tk.asked_second


@pytest.mark.parametrize("body", [{"stream": False}, {"stream": True, "store": True}])
async def test_what_begins_when_it_is_made_or_is_stored_is_never_sent_twice(
    tmp_path: Path, store_url: str, body: dict[str, Any]
) -> None:
    # What is stored belongs to the API's first provider, the simulated one.
    async with hedged(tmp_path, store_url) as tk:
        tk.second("first_ms=500")
        tk.first.says.set_result(error(503))
        stored = "store" in body
        status, _ = await tk.call(**body)
        event = await tk.event()

        assert (200, "simulated", None) == (status, event["provider"], event["cut_off"])
        assert (int(not stored), 1) == (tk.first.asked, tk.asked_second)
        assert 0 == await tk.gateway.metric(r"tollkeeper_hedges_total\{.*\}")


async def test_what_is_not_streamed_is_hedged_where_it_is_said(
    tmp_path: Path, store_url: str
) -> None:
    async with hedged(tmp_path, store_url, f"{SOON}, calls: all") as tk:
        status, body = await tk.call(stream=False)
        event = await tk.event()

        assert (200, "simulated") == (status, event["provider"])
        assert event["usage"]["output_text"] == orjson.loads(body)["usage"]["completion_tokens"]
        assert "first" == event["cut_off"]["provider"]


async def test_one_at_its_limit_is_not_asked_besides(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, settings="calls_max: 1") as tk:
        tk.second("first_ms=60000")
        waiting = tk.begin()
        await until(lambda: tk.asked_second == 1)
        # The first has all it may have, so this one begins with the second.
        tk.second("first_ms=600")
        assert 200 == (await tk.call())[0]
        tk.first.says.set_result(GOOD)
        assert 200 == (await waiting)[0]
        await tk.gateway.assert_books_balance()

        alone, _ = await tk.gateway.events()
        assert ("simulated", 1, None) == (alone["provider"], alone["attempts"], alone["cut_off"])


async def test_a_client_that_leaves_cuts_both_and_owes_one_prompt(
    tmp_path: Path, store_url: str
) -> None:
    async with hedged(tmp_path, store_url) as tk:
        tk.second("first_ms=60000")
        call = await tk.begin_at_both()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await until(lambda: tk.first.left == 1)
        event = await tk.event()

        assert ("first", "client_left", "counted") == (
            event["provider"],
            event["end"],
            event["provenance"],
        )
        assert event["usage"]["input_uncached"] * INPUT_UCR == event["charge_ucr"]
        assert "simulated" == event["cut_off"]["provider"]
        assert 1 == await tk.ended("simulated", "cut")


async def test_a_deadline_ends_both_and_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, failover="answer_deadline_s: 0.6") as tk:
        tk.second("first_ms=60000")
        status, body = await tk.call()
        await until(lambda: tk.first.left == 1)
        balance = await tk.gateway.assert_books_balance()

        assert (504, "upstream_timeout") == (status, orjson.loads(body)["error"]["code"])
        assert (1, 0) == (tk.asked_second, balance.charged_ucr)
        assert 1 == await tk.ended("simulated", "cut")


async def test_a_shutdown_ends_both_and_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with hedged(tmp_path, store_url, drain_s=0.2) as tk:
        tk.second("first_ms=60000")
        call = await tk.begin_at_both()
        await tk.gateway.gateway.drain()
        status, body = await call
        await until(lambda: tk.first.left == 1)

        assert (503, "draining") == (status, orjson.loads(body)["error"]["code"])
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


async def test_what_it_lately_took_says_how_long_one_is_waited_for(
    tmp_path: Path, store_url: str
) -> None:
    # Three times nothing is known.
    async with hedged(tmp_path, store_url, "percentile: 90, budget_percent: 100") as tk:
        tk.first.says.set_result(GOOD)
        for _ in range(20):
            assert 200 == (await tk.call())[0]
        assert 0 == tk.asked_second
        tk.first.says = asyncio.Future()

        assert 200 == (await tk.call())[0]
        await tk.gateway.assert_books_balance()
        assert "simulated" == (await tk.gateway.events())[-1]["provider"]
