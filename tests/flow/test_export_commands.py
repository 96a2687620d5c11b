"""`tollkeeper export` as an operator uses it, beside a gateway that calls pass through."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from support.commands import Ran
from support.contract_servers.lago import KEY, LagoServer
from support.gateways import SECRETS, TestGateway, running_gateway

from gateway.cli import main

SINKS = """
sinks:
  lake: {{json_lines: {{folder: {folder}}}, linger_s: 0.05}}
  lago: {{lago: {{url: "{url}", api_key: env:TEST_LAGO, charge_metric: charge}}, linger_s: 0.05}}
"""


@pytest.fixture
async def lago() -> AsyncIterator[LagoServer]:
    server = LagoServer(unknown=("acme",))
    async with server.running():
        yield server


@pytest.fixture
async def gateway(
    tmp_path: Path, store_url: str, lago: LagoServer, monkeypatch
) -> AsyncIterator[TestGateway]:
    monkeypatch.setitem(SECRETS, "TEST_LAGO", KEY)
    sinks = SINKS.format(folder=tmp_path / "lake", url=lago.url)
    async with running_gateway(tmp_path, store_url, more=sinks) as gateway:
        yield gateway


async def here(*words: str, config: Path) -> Ran:
    result = await asyncio.to_thread(
        CliRunner().invoke, main, ["export", *words, "--config", str(config)], env=SECRETS
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def lines(folder: Path) -> list[dict]:
    return [
        orjson.loads(line)
        for path in sorted(folder.iterdir())
        for line in path.read_bytes().splitlines()
    ]


async def until(ready) -> None:
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0.05)


async def test_from_a_call_to_its_dead_letter_and_back(
    gateway: TestGateway, lago: LagoServer, tmp_path: Path
) -> None:
    config, lake = tmp_path / "gateway.yaml", tmp_path / "lake"
    async with gateway.chat() as answer:
        assert 200 == answer.status
    charged = (await gateway.settled()).charged_ucr
    await until(lambda: lake.exists() and any(lake.iterdir()) and lago.requests)
    await until(lambda: lines(lake))
    await asyncio.sleep(0.3)

    dead = (await here("dead", "lago", "--json", config=config)).json()
    status = (await here("status", "--json", config=config)).json()
    lago.unknown = ()
    redriven = (await here("redrive", "lago", "--json", config=config)).json()
    await until(lambda: lago.total("charge") == charged)
    replayed = (await here("replay", "lake", "--from", "2026-01-01", config=config)).out
    await until(lambda: len(lines(lake)) == 2)

    [record, again] = lines(lake)
    assert record == again
    assert charged == record["data"]["charge_microcredits"]
    assert [record["id"]] == [letter["request"] for letter in dead]
    assert "subscription_not_found" in dead[0]["reason"]
    assert {"lago": 1, "lake": 0} == {row["sink"]: row["dead_letters"] for row in status}
    assert 1 == redriven["redriven"]
    assert "sent again  1" in replayed
    assert 1 == await gateway.metric(r'tollkeeper_exported_total{outcome="poison",sink="lago"}')


async def test_what_cannot_be_done_is_told(gateway: TestGateway, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"

    unknown = await here("dead", "lagoo", config=config)
    nothing = await here("replay", "lake", config=config)
    configured = await here("forget", "lake", "--yes", config=config)
    not_stripe = await here("cancel", "lake", "evt_1", config=config)

    assert "There is no sink 'lagoo'. There are: lago, lake." in unknown.err
    assert "Say what to send again" in nothing.err
    assert "lake is configured: remove it" in configured.err
    assert "lake is no configured sink of kind stripe" in not_stripe.err


async def test_a_sink_that_is_gone_is_forgotten(gateway: TestGateway, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    async with gateway.chat():
        pass
    await gateway.settled()
    config.write_text(config.read_text().replace("  lake: {json", "  pond: {json"))

    before = (await here("status", "--json", config=config)).json()
    await here("forget", "lake", "--yes", config=config)
    after = (await here("status", "--json", config=config)).json()

    kinds = {row["sink"]: row["kind"] for row in before}
    assert {"lago": "lago", "lake": "not configured", "pond": "json_lines"} == kinds
    assert {"lago", "pond"} == {row["sink"] for row in after}
