"""GET /metering/v1/events: what happens to an account, told while it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, account_with_key, running_gateway

from gateway.api import events, feed
from gateway.metering.accounts import Status
from gateway.metering.ledger import Grant

PATH = "/metering/v1/events"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


class Stream:
    """What an `EventSource` would hear."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""
        self.comments = 0

    async def next(self) -> tuple[str, Any]:
        """The next event, or ("", None) when the stream ended."""
        kind, data = "", b""
        async with asyncio.timeout(20):
            while line := await self.answer.content.readline():
                name, _, value = line.decode().rstrip("\n").partition(":")
                match name:
                    case "event":
                        kind = value.strip()
                    case "data":
                        data = value.strip().encode()
                    case "id":
                        self.last_id = value.strip()
                    case "" if data:
                        return kind, orjson.loads(data)
                    case "" if line == b":\n":
                        self.comments += 1
        return "", None

    async def until(self, wanted: str) -> Any:
        """The data of the next event of that kind."""
        while True:
            kind, data = await self.next()
            assert kind, f"the stream ended before any {wanted}"
            if kind == wanted:
                return data


@asynccontextmanager
async def listening(
    gateway: TestGateway, *, key: str | None = None, after: str = "", query: str = ""
) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {gateway.key if key is None else key}"}
    if after:
        headers["Last-Event-ID"] = after
    timeout = aiohttp.ClientTimeout(total=None)
    async with gateway.http.get(
        gateway.origin + PATH + query, headers=headers, timeout=timeout
    ) as answer:
        assert 200 == answer.status, await answer.text()
        assert "text/event-stream" == answer.content_type
        yield Stream(answer)


async def call(gateway: TestGateway, **options: Any) -> str:
    async with gateway.chat(**options) as answer:
        await answer.read()
        return str(answer.headers["x-tollkeeper-request-id"])


async def test_a_call_is_told_as_it_is_charged_and_the_balance_follows(gateway):
    async with listening(gateway) as stream:
        first = await stream.until("balance")
        request_id = await call(gateway)
        told = await stream.until("call.settled")
        balance = await stream.until("balance")

    charge_ucr = told["data"]["charge"]["microcredits"]
    assert (ACCOUNT, 0) == (first["account_id"], first["running_calls"])
    assert ("call.settled", request_id) == (told["type"], told["data"]["request_id"])
    assert first["available"]["microcredits"] - charge_ucr == balance["available"]["microcredits"]
    assert charge_ucr == balance["charged"]["microcredits"] > 0


async def test_what_a_running_call_holds_is_told_while_it_runs(gateway):
    async with listening(gateway) as stream:
        await stream.until("balance")
        running = asyncio.ensure_future(
            call(gateway, stream=True, simulate="tokens=40,delay_ms=100")
        )
        held = await stream.until("balance")
        while not held["running_calls"]:
            held = await stream.until("balance")
        await running
        after = held
        while after["running_calls"]:
            after = await stream.until("balance")

    assert held["held"]["microcredits"] > 0
    assert 0 == after["held"]["microcredits"]


async def test_who_comes_back_with_the_last_id_misses_nothing_and_hears_nothing_twice(gateway):
    async with listening(gateway) as stream:
        first = await call(gateway)
        assert first == (await stream.until("call.settled"))["data"]["request_id"]
    missed = [await call(gateway) for _ in range(5)]
    await gateway.settled()
    async with listening(gateway, after=stream.last_id) as again:
        heard = [(await again.until("call.settled"))["data"]["request_id"] for _ in missed]
        last = await call(gateway)
        then = await again.until("call.settled")

    assert missed == heard
    assert last == then["data"]["request_id"]


async def test_the_last_id_may_come_as_a_parameter(gateway):
    async with listening(gateway) as stream:
        await call(gateway)
        await stream.until("call.settled")
    missed = await call(gateway)
    await gateway.settled()
    async with listening(gateway, query=f"?last_event_id={stream.last_id}") as again:
        told = await again.until("call.settled")

    assert missed == told["data"]["request_id"]


async def test_who_was_away_too_long_is_told_of_the_gap(gateway):
    await call(gateway)
    await gateway.settled()
    async with listening(gateway, after="1000-0.3") as stream:
        told = await stream.until("gap")

    assert "gap" == told["type"]


async def test_an_id_of_somebody_else_is_refused(gateway):
    headers = {"Authorization": f"Bearer {gateway.key}", "Last-Event-ID": "17 or so"}
    async with gateway.http.get(gateway.origin + PATH, headers=headers) as answer:
        assert (400, "invalid_request") == (answer.status, (await answer.json())["code"])


async def test_nobody_hears_of_another_account(gateway):
    other = await account_with_key(gateway.session, granted_ucr=1_000_000, account="other")
    async with listening(gateway, key=other) as stream:
        await stream.until("balance")
        await call(gateway)
        await gateway.settled()
        await gateway.ledger.grant(Grant(grant_id="mine", account_id="other", amount_ucr=5))
        # The balance may be told before what changed it.
        told = dict([await stream.next(), await stream.next()])

    assert "mine" == told["grant.created"]["data"]["operation_id"]
    assert "other" == told["balance"]["account_id"]


async def test_a_stream_ends_when_its_key_is_revoked(gateway):
    async with listening(gateway) as stream:
        await stream.until("balance")
        await gateway.session.stores.keys.set_key_status(gateway.key.split("_")[1], Status.REVOKED)
        told = await stream.until("end")
        after = await stream.next()

    assert {"reason": "key_revoked"} == told
    assert ("", None) == after


async def test_streams_end_when_the_gateway_drains_and_none_begins(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url) as gateway, listening(gateway) as stream:
        await stream.until("balance")
        draining = asyncio.ensure_future(gateway.gateway.drain())
        told = await stream.until("end")
        await draining

    assert {"reason": "draining"} == told


async def test_a_silent_stream_shows_that_it_lives(gateway, monkeypatch):
    monkeypatch.setattr(events, "LOOK_S", 0.02)
    async with listening(gateway) as stream:
        await stream.until("balance")
        async with asyncio.timeout(20):
            while stream.comments < 3:
                line = await stream.answer.content.readline()
                stream.comments += line == b":\n"

    assert 3 == stream.comments


async def test_too_many_streams_of_one_account_are_refused(gateway, monkeypatch):
    monkeypatch.setattr(feed, "LISTENERS_OF_ACCOUNT_MAX", 1)
    async with listening(gateway) as stream:
        await stream.until("balance")
        headers = {"Authorization": f"Bearer {gateway.key}"}
        async with gateway.http.get(gateway.origin + PATH, headers=headers) as answer:
            status, told = answer.status, await answer.json()

    assert (429, "rate_limit_exceeded") == (status, told["code"])


async def test_another_process_hears_of_a_call_that_this_one_served(tmp_path, store_url):
    async with (
        running_gateway(tmp_path / "one", store_url) as one,
        running_gateway(tmp_path / "two", store_url, credit=0) as two,
        listening(two, key=one.key) as stream,
    ):
        await stream.until("balance")
        request_id = await call(one)
        told = await stream.until("call.settled")

    assert request_id == told["data"]["request_id"]


@asynccontextmanager
async def operating(gateway: TestGateway, query: str = "") -> AsyncIterator[Stream]:
    url = f"http://127.0.0.1:{gateway.gateway.admin_port}{PATH}{query}"
    async with gateway.http.get(url, headers={"Authorization": f"Bearer {SERVICE_KEY}"}) as answer:
        assert 200 == answer.status, await answer.text()
        yield Stream(answer)


async def test_the_operator_hears_of_all_accounts(gateway):
    other = await account_with_key(gateway.session, granted_ucr=10_000_000_000, account="other")
    async with operating(gateway) as stream:
        # The first heartbeat or event proves that the stream has begun.
        await asyncio.wait_for(stream.answer.content.readline(), 20)
        await call(gateway)
        mine = await stream.until("call.settled")
        await call(gateway, headers={"Authorization": f"Bearer {other}"})
        theirs = await stream.until("call.settled")

    assert [ACCOUNT, "other"] == [each["data"]["account_id"] for each in (mine, theirs)]


@pytest.mark.parametrize(("at", "key"), [("callers", SERVICE_KEY), ("admin", "virtual")])
async def test_all_accounts_are_told_to_operators_at_their_listener_only(gateway, at, key):
    port = gateway.gateway.admin_port if at == "admin" else gateway.gateway.port
    sent = {"Authorization": f"Bearer {gateway.key if key == 'virtual' else key}"}
    async with gateway.http.get(f"http://127.0.0.1:{port}{PATH}", headers=sent) as answer:
        assert answer.status in (401, 403)
