"""A gateway that stood still longer than its lease: what it settles late is charged once."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
from support.gateways import (
    INPUT_UCR,
    OUTPUT_UCR,
    account_with_key,
    gateway_process,
    running_gateway,
)

from gateway.simulator.provider import SimulatedProvider

LEASE_S = 5


async def test_a_stopped_gateway_charges_the_rest_when_it_wakes(
    tmp_path: Path, store_url: str
) -> None:
    """SIGSTOP in mid-stream, until another gateway has expired the hold; then SIGCONT."""
    async with running_gateway(tmp_path / "other", store_url, credit=0) as other:
        provider = SimulatedProvider()
        provider_url = f"http://127.0.0.1:{await provider.start()}"
        key = await account_with_key(other.session, granted_ucr=100_000_000)
        async with (
            gateway_process(
                tmp_path / "sleeper", store_url, provider_url, lease_s=LEASE_S, checkpoint_s=0.2
            ) as sleeper,
            aiohttp.ClientSession() as http,
            http.post(
                f"{sleeper.base_url}/chat/completions",
                json={
                    "model": "gpt-4.1-mini",
                    "stream": True,
                    "messages": [{"role": "user", "content": "Hello there"}],
                },
                headers={
                    "Authorization": f"Bearer {key}",
                    "x-simulate": "tokens=400,delay_ms=5",
                },
            ) as answer,
        ):
            while provider.journal.entries[0].tokens < 150:
                await answer.content.readany()
            assert sleeper.process is not None
            os.killpg(sleeper.process.pid, signal.SIGSTOP)
            async with asyncio.timeout(LEASE_S + 5):
                while (await other.balance()).live_holds:
                    await asyncio.sleep(0.05)
            at_expiry_ucr = (await other.balance()).charged_ucr
            assert at_expiry_ucr > 0
            os.killpg(sleeper.process.pid, signal.SIGCONT)
            assert b"[DONE]" in await answer.read()
            entry = provider.journal.entries[0]
            expected_ucr = entry.prompt_tokens * INPUT_UCR + 400 * OUTPUT_UCR
            async with asyncio.timeout(10):
                while (await other.balance()).charged_ucr == at_expiry_ucr:
                    await asyncio.sleep(0.02)
            balance = await other.assert_books_balance()
            assert expected_ucr == balance.charged_ucr
            kinds = [stored.kind for stored in await other.ledger.events("acme")]
            assert ["funded", "expired", "late"] == kinds
            await provider.stop()
