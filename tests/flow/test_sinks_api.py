"""Sinks through the Metering API: how deliveries go, dead letters, sending again, pausing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.contract_servers.base import BROKEN_BEFORE
from support.contract_servers.lago import KEY, LagoServer
from support.gateways import ACCOUNT, SECRETS, TestGateway, running_gateway
from support.service import ask

from gateway.metering.notices import OPERATOR

SINKS = """
sinks:
  lago: {{lago: {{url: "{url}", api_key: env:TEST_LAGO, charge_metric: charge}}, linger_s: 0.05}}
"""


@pytest.fixture
async def lago() -> AsyncIterator[LagoServer]:
    server = LagoServer()
    async with server.running():
        yield server


@pytest.fixture
async def gateway(
    tmp_path: Path, store_url: str, lago: LagoServer, monkeypatch
) -> AsyncIterator[TestGateway]:
    monkeypatch.setitem(SECRETS, "TEST_LAGO", KEY)
    more = SINKS.format(url=lago.url)
    async with running_gateway(tmp_path, store_url, more=more) as gateway:
        yield gateway


async def sink(gateway: TestGateway, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The sink as it is told, once that holds of it."""
    async with asyncio.timeout(30):
        while True:
            status, told = await ask(gateway, "GET", "/sinks/lago")
            assert 200 == status, told
            if holds(told):
                return dict(told)
            await asyncio.sleep(0.05)


async def call(gateway: TestGateway) -> str:
    async with gateway.chat() as answer:
        await answer.read()
        return str(answer.headers["x-tollkeeper-request-id"])


async def test_what_was_delivered_is_told(gateway, lago):
    await call(gateway)
    charged = (await gateway.settled()).charged_ucr
    told = await sink(gateway, lambda told: told["delivered"] == 1)
    _, page = await ask(gateway, "GET", "/sinks")

    assert charged == lago.total("charge")
    assert ("lago", "running", 0, "") == (
        told["kind"],
        told["state"],
        told["dead_letters"],
        told["last_error"],
    )
    assert told["last_delivered_at"] is not None
    assert ["lago"] == [each["name"] for each in page["data"]]


async def test_dead_letters_are_listed_looked_at_and_given_once_more(gateway, lago):
    lago.unknown = (ACCOUNT,)
    request_ids = [await call(gateway) for _ in range(3)]
    charged = (await gateway.settled()).charged_ucr
    told = await sink(
        gateway, lambda told: told["dead_letters"] == told["refused"] == 3 and told["last_error"]
    )
    letters, cursor = [], ""
    while cursor is not None:
        _, page = await ask(gateway, "GET", f"/sinks/lago/dead-letters?limit=2&cursor={cursor}")
        letters += page["data"]
        cursor = page["next_cursor"]
    _, one = await ask(gateway, "GET", f"/sinks/lago/dead-letters/{letters[0]['id']}")
    lago.unknown = ()
    ids = [each["id"] for each in letters]
    _, redriven = await ask(gateway, "POST", "/sinks/lago/dead-letters/redrive", ids=ids)
    await sink(gateway, lambda told: told["delivered"] == 3)
    status, _ = await ask(gateway, "GET", f"/sinks/lago/dead-letters/{ids[0]}")

    assert request_ids == [each["request_id"] for each in letters]
    assert letters[0] == one
    assert "subscription_not_found" in told["last_error"]
    assert (3, 404) == (redriven["count"], status)
    assert charged == lago.total("charge")


async def test_a_dead_letter_that_is_discarded_is_gone(gateway, lago):
    lago.unknown = (ACCOUNT,)
    await call(gateway)
    await sink(gateway, lambda told: told["dead_letters"] == 1)
    _, page = await ask(gateway, "GET", "/sinks/lago/dead-letters")
    ids = [each["id"] for each in page["data"]]
    _, first = await ask(gateway, "POST", "/sinks/lago/dead-letters/discard", ids=ids)
    _, second = await ask(gateway, "POST", "/sinks/lago/dead-letters/discard", ids=ids)
    _, after = await ask(gateway, "GET", "/sinks/lago/dead-letters")

    assert (1, 0, []) == (first["count"], second["count"], after["data"])


async def test_a_settlement_is_sent_once_more_on_demand_and_counted_once(gateway, lago):
    request_id = await call(gateway)
    charged = (await gateway.settled()).charged_ucr
    await sink(gateway, lambda told: told["delivered"] == 1)
    _, done = await ask(
        gateway, "POST", "/sinks/lago/replay", once="again", request_ids=[request_id]
    )
    await sink(gateway, lambda told: told["delivered"] + told["duplicates"] == 2)

    assert 1 == done["count"]
    assert charged == lago.total("charge")


async def test_a_paused_sink_gets_nothing_and_misses_nothing(gateway, lago):
    _, paused = await ask(gateway, "POST", "/sinks/lago/pause")
    # The exporter looks once a second what operators want.
    await asyncio.sleep(2)
    await call(gateway)
    charged = (await gateway.settled()).charged_ucr
    waiting = await sink(gateway, lambda told: told["waiting"] > 0)
    await asyncio.sleep(1)
    before = lago.total("charge")
    await ask(gateway, "POST", "/sinks/lago/resume")
    resumed = await sink(gateway, lambda told: told["delivered"] == 1)

    assert ("paused", "paused", 0) == (paused["state"], waiting["state"], before)
    assert ("running", charged) == (resumed["state"], lago.total("charge"))


async def test_a_failing_sink_is_told_as_such_and_its_notice_comes_once(gateway, lago):
    lago.always = BROKEN_BEFORE
    await call(gateway)
    failing = await sink(gateway, lambda told: told["state"] == "failing")
    lago.always = None
    await ask(gateway, "POST", "/sinks/lago/resume")
    back = await sink(gateway, lambda told: told["state"] == "running" and told["delivered"] == 1)
    notices = [(entry.kind, entry.operation_id) for entry in await gateway.ledger.events(OPERATOR)]

    assert failing["failing_since"] is not None
    assert "500" in failing["last_error"]
    assert back["failing_since"] is None
    assert [("sink.failing", "lago"), ("sink.back", "lago")] == notices


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/sinks/nobody", {}, 404),
        ("POST", "/sinks/nobody/pause", {}, 404),
        ("POST", "/sinks/lago/replay", {"from_ms": "yesterday"}, 400),
        ("POST", "/sinks/lago/dead-letters/redrive", {"ids": ["99:1-1"]}, 400),
        ("POST", "/sinks/lago/dead-letters/redrive", {"ids": []}, 400),
        ("GET", "/sinks/lago/dead-letters/1:1-1", {}, 404),
    ],
)
async def test_what_cannot_be_done_is_told(gateway, method, path, body, status):
    answered, _ = await ask(gateway, method, path, once="x", **body)

    assert status == answered
