"""A gateway that stood still longer than its lease: what it settles late is charged once."""

import asyncio
import os
import signal
from pathlib import Path

from support.gateways import INPUT_UCR, OUTPUT_UCR, gateway_pair

from gateway.metering.journal import MOVEMENTS

LEASE_S = 5


async def test_a_stopped_gateway_charges_the_rest_when_it_wakes(
    tmp_path: Path, store_url: str
) -> None:
    """SIGSTOP in mid-stream, until another gateway has expired the hold; then SIGCONT."""
    async with (
        gateway_pair(tmp_path, store_url, lease_s=LEASE_S, checkpoint_s=0.2) as pair,
        pair.client.chat("tokens=400,delay_ms=5", stream=True) as answer,
    ):
        entry = pair.provider.journal.entries[0]
        while entry.tokens < 150:
            await answer.content.readany()
        assert pair.process.process is not None
        os.killpg(pair.process.process.pid, signal.SIGSTOP)
        await pair.hold_resolved(within_s=LEASE_S + 5)
        at_expiry_ucr = (await pair.other.balance()).charged_ucr
        assert at_expiry_ucr > 0
        os.killpg(pair.process.process.pid, signal.SIGCONT)
        assert b"[DONE]" in await answer.read()
        expected_ucr = entry.prompt_tokens * INPUT_UCR + 400 * OUTPUT_UCR
        async with asyncio.timeout(10):
            while (await pair.other.balance()).charged_ucr == at_expiry_ucr:
                await asyncio.sleep(0.02)
        balance = await pair.other.assert_books_balance()
        assert expected_ucr == balance.charged_ucr
        moved = await pair.other.ledger.events("acme")
        kinds = [stored.kind for stored in moved if stored.kind in MOVEMENTS]
        assert ["funded", "expired", "late"] == kinds


async def test_a_gateway_stopped_before_the_answer_began_charges_all_of_it_late(
    tmp_path: Path, store_url: str
) -> None:
    """Nothing was owed yet when the hold expired: all was given back."""
    async with gateway_pair(tmp_path, store_url, lease_s=LEASE_S) as pair:
        call = asyncio.ensure_future(pair.client.status("tokens=30,first_ms=1000"))
        await pair.provider.journal.wait_for(lambda journal: journal.total == 1, timeout_s=20)
        assert pair.process.process is not None
        os.killpg(pair.process.process.pid, signal.SIGSTOP)
        await pair.hold_resolved(within_s=LEASE_S + 5)
        assert 0 == (await pair.other.balance()).charged_ucr
        os.killpg(pair.process.process.pid, signal.SIGCONT)
        assert 200 == await call
        await pair.other.settled(charged=bool)
        balance = await pair.other.assert_books_balance()
        entry = pair.provider.journal.entries[0]
        assert entry.prompt_tokens * INPUT_UCR + 30 * OUTPUT_UCR == balance.charged_ucr
        moved = await pair.other.ledger.events("acme")
        kinds = [stored.kind for stored in moved if stored.kind in MOVEMENTS]
        assert ["funded", "late"] == kinds
