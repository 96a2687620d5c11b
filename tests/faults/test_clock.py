"""A gateway's wall clock jumps by an hour, either way: no hold ends early, nothing else changes."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bank.world import shifted
from support.gateways import INPUT_UCR, OUTPUT_UCR, Pair, gateway_pair

from gateway.metering.journal import MOVEMENTS

TOKENS = 100
PLAN = "{limits: [{unit: requests, per: hour, ceiling: 2}, {unit: calls, ceiling: 2}]}"


@pytest.mark.parametrize("shift_s", [3600, -3600])
async def test_a_clock_that_jumps_changes_no_hold_and_no_window(
    tmp_path: Path, store_url: str, shift_s: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    options = {"plan": PLAN, "lease_s": 5, "checkpoint_s": 0.2}
    async with gateway_pair(tmp_path, store_url, environ=shifted(clock), **options) as pair:
        async with pair.client.chat(f"tokens={TOKENS},delay_ms=50", stream=True) as answer:
            await answer.content.readany()
            clock.write_text(f"{shift_s:+d}\n")
            await _jumped(pair, shift_s)
            assert b"[DONE]" in await answer.read()
        assert 200 == await pair.client.status("tokens=1")
        # The hour that both were counted in is the store's: the third call is one too many.
        assert 429 == await pair.client.status("tokens=1")
        await pair.hold_resolved(within_s=10)
        balance = await pair.other.assert_books_balance()
        prompts = sum(entry.prompt_tokens for entry in pair.provider.journal.entries)
        assert prompts * INPUT_UCR + (TOKENS + 1) * OUTPUT_UCR == balance.charged_ucr
        moved = await pair.other.ledger.events("acme")
        kinds = [entry.kind for entry in moved if entry.kind in MOVEMENTS]
        assert ["funded", "settled", "settled"] == kinds
        # Killed, it would leave libfaketime's shared memory behind.
        assert 0 == await pair.process.stop()


async def _jumped(pair: Pair, shift_s: int) -> None:
    """Wait until the gateway says so itself: each refusal is a line of its log, with the time."""
    async with asyncio.timeout(20):
        while True:
            async with pair.client.http.post(f"{pair.process.base_url}/chat/completions") as answer:
                assert 401 == answer.status
            told = [datetime.fromisoformat(line["time"]) for line in pair.process.lines().calls()]
            if told and abs(told[-1] - datetime.now(UTC)) > timedelta(seconds=abs(shift_s) / 2):
                return
            await asyncio.sleep(0.1)
