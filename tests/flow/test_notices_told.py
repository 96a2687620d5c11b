"""From a call that crosses a mark to its owner: as a signed webhook, and on the live stream."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.contract_servers.receiver import Receiver
from support.gateways import ACCOUNT, TestGateway, running_gateway
from support.service import ROOT, ask

from gateway.metering.history import DAY_MS

TOLD = ("balance.low", "balance.restored", "grant.expiring")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.running():
        yield receiver


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    more = "webhooks: {allow: [127.0.0.0/8], timeout_s: 1}"
    async with running_gateway(tmp_path, store_url, more=more) as gateway:
        yield gateway


async def on_the_stream(gateway: TestGateway, listening: asyncio.Event) -> list[dict[str, Any]]:
    """What the account's key hears, until all that is expected was told."""
    found: list[dict[str, Any]] = []
    kind = ""
    sent = {"Authorization": f"Bearer {gateway.key}"}
    async with gateway.http.get(f"{gateway.origin}{ROOT}/events", headers=sent) as answer:
        while len(found) < len(TOLD):
            line = (await answer.content.readline()).decode()
            assert line, "the stream ended"
            listening.set()
            kind = line[6:].strip() if line.startswith("event:") else kind
            if line.startswith("data:") and kind in TOLD:
                found.append(orjson.loads(line[5:]))
    return found


async def test_a_mark_that_a_call_crosses_is_told_both_ways_and_once(gateway, receiver):
    hook = {"account_id": ACCOUNT, "url": f"{receiver.url}/hook", "types": list(TOLD)}
    _, made = await ask(gateway, "POST", "/webhooks", once="hook", **hook)
    receiver.secret = made["secret"]
    await ask(gateway, "PATCH", f"/accounts/{ACCOUNT}", alerts=["99.999999"])
    listening = asyncio.Event()
    async with asyncio.timeout(45), asyncio.TaskGroup() as group:
        stream = group.create_task(on_the_stream(gateway, listening))
        await listening.wait()
        for _ in range(2):
            async with gateway.chat(simulate="tokens=30") as answer:
                await answer.read()
        await gateway.settled()
        expires_ms = gateway.ledger.now_ms() + 3 * DAY_MS
        grants = f"/accounts/{ACCOUNT}/grants"
        grant = {"id": "promo-1", "microcredits": 5_000_000, "expires_at_ms": expires_ms}
        await ask(gateway, "POST", grants, once="g", **grant)
        while len(receiver.heard) < len(TOLD):
            await asyncio.sleep(0.05)
    by_webhook = {each["type"]: each["data"] for _, each in receiver.heard}
    by_stream = {each["type"]: each["data"] for each in stream.result()}

    assert sorted(TOLD) == sorted(by_webhook)
    assert by_webhook == by_stream
    assert (len(TOLD), 0) == (len(receiver.heard), receiver.forged)
    assert "99.999999" == by_webhook["balance.low"]["alert"]
    assert 99_999_999 >= by_webhook["balance.low"]["left"]["microcredits"] > 99_000_000
    assert "promo-1" == by_webhook["grant.expiring"]["subject"]
    assert 5_000_000 == by_webhook["grant.expiring"]["left"]["microcredits"]
