"""kill -9 of a gateway whose last charge is on its way: it is on disk, and is booked once."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from bank.relay import Line
from support.gateways import (
    INPUT_UCR,
    OUTPUT_UCR,
    Client,
    account_with_key,
    gateway_process,
    running_gateway,
)
from support.redis_server import KINDS, Server

from gateway.metering.journal import MOVEMENTS
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.simulator.provider import SimulatedProvider

TOKENS = 40
# A gateway is started twice, on a machine that is busy with other tests; and no hold may expire.
pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("kind", KINDS[:1])
@pytest.mark.parametrize("heard", [False, True], ids=["store not reached", "answer not heard"])
async def test_a_charge_in_the_spool_outlives_its_gateway_and_is_booked_once(
    tmp_path: Path, kind: str, *, heard: bool
) -> None:
    """`heard`: the store had booked it already when the gateway wrote it to disk and died. Nobody
    may have noticed by then that the store does not answer, or it would not have been asked."""
    server = Server(kind).start()
    line = Line(server.folder / "line.sock", server.socket_path)
    await line.start()
    provider = SimulatedProvider()
    provider_url = f"http://127.0.0.1:{await provider.start()}"
    try:
        async with (
            running_gateway(tmp_path / "other", server.url, credit=0) as other,
            gateway_process(
                tmp_path / "process",
                f"unix://{line.here}",
                provider_url,
                admission_ms=3000 if heard else 300,
                lease_s=300,
            ) as process,
            aiohttp.ClientSession() as http,
        ):
            key = await account_with_key(other.session, granted_ucr=100 * UCR_PER_CREDIT)
            client = Client(process, key, http)
            async with client.chat(f"tokens={TOKENS},delay_ms=20", stream=True) as answer:
                await answer.content.readany()
                line.deafen() if heard else line.hang()
                assert b"[DONE]" in await answer.read()
            await _on_disk(tmp_path / "process" / "data" / "spool")
            if heard:
                await other.settled(charged=bool)
            process.kill()
            assert process.process is not None
            await process.process.wait()
            line.heal()
            await process.start()
            await other.settled(charged=bool)
            async with asyncio.timeout(20):
                while await client.metric("tollkeeper_spool_waiting_settles"):
                    await asyncio.sleep(0.05)
            balance = await other.assert_books_balance()
            prompt = provider.journal.entries[0].prompt_tokens
            assert prompt * INPUT_UCR + TOKENS * OUTPUT_UCR == balance.charged_ucr
            moved = await other.ledger.events("acme")
            kinds = [entry.kind for entry in moved if entry.kind in MOVEMENTS]
            assert ["funded", "settled"] == kinds
    finally:
        await provider.stop()
        await line.stop()
        server.stop()


async def _on_disk(folder: Path) -> None:
    async with asyncio.timeout(20):
        while b"req_" not in b"".join(path.read_bytes() for path in folder.iterdir()):
            await asyncio.sleep(0.02)
