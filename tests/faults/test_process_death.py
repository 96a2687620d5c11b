"""kill -9 of a gateway in mid-stream: the hold is resolved by others, to the last checkpoint."""

import asyncio
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


async def test_a_killed_gateways_hold_is_charged_to_its_checkpoint_once(
    tmp_path: Path, store_url: str
) -> None:
    """One gateway dies in mid-stream; a second one, on the same store, resolves its hold."""
    async with running_gateway(tmp_path / "other", store_url, credit=0) as other:
        provider = SimulatedProvider()
        provider_url = f"http://127.0.0.1:{await provider.start()}"
        key = await account_with_key(other.session, granted_ucr=100_000_000)
        async with gateway_process(
            tmp_path / "dying", store_url, provider_url, lease_s=LEASE_S, checkpoint_s=0.2
        ) as dying:
            async with aiohttp.ClientSession() as http:
                answer = await http.post(
                    f"{dying.base_url}/chat/completions",
                    json={
                        "model": "gpt-4.1-mini",
                        "stream": True,
                        "messages": [{"role": "user", "content": "Hello there"}],
                    },
                    headers={
                        "Authorization": f"Bearer {key}",
                        "x-simulate": "tokens=2000,delay_ms=5",
                    },
                )
                entry = provider.journal.entries[0]
                async with asyncio.timeout(20):
                    while entry.tokens < 150:
                        await answer.content.readany()
                produced = entry.tokens
                dying.kill()
                answer.close()
        assert 1 == (await other.balance()).live_holds
        async with asyncio.timeout(LEASE_S + 5):
            while (await other.balance()).live_holds:
                await asyncio.sleep(0.05)
        balance = await other.assert_books_balance()
        [event] = await other.events()
        assert "hold_expired" == event["end"]
        charged_tokens = event["usage"]["output_text"]
        assert charged_tokens <= produced + 60
        # A checkpoint every 0.2 s at about 5 ms a token, on a machine busy with other tests.
        assert charged_tokens >= produced - 150
        assert charged_tokens > 0
        prompt = event["usage"]["input_uncached"]
        assert prompt * INPUT_UCR + charged_tokens * OUTPUT_UCR == balance.charged_ucr
        await provider.stop()


async def test_killed_before_an_answer_everything_is_given_back(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path / "other", store_url, credit=0) as other:
        provider = SimulatedProvider()
        provider_url = f"http://127.0.0.1:{await provider.start()}"
        key = await account_with_key(other.session, granted_ucr=100_000_000)
        async with gateway_process(
            tmp_path / "dying", store_url, provider_url, lease_s=LEASE_S
        ) as dying:
            async with aiohttp.ClientSession() as http:
                call = asyncio.ensure_future(
                    http.post(
                        f"{dying.base_url}/chat/completions",
                        json={"model": "gpt-4.1-mini", "messages": []},
                        headers={"Authorization": f"Bearer {key}", "x-simulate": "first_ms=60000"},
                    )
                )
                await provider.journal.wait_for(lambda journal: journal.total == 1, timeout_s=20)
                dying.kill()
                await asyncio.gather(call, return_exceptions=True)
        async with asyncio.timeout(LEASE_S + 5):
            while (await other.balance()).live_holds:
                await asyncio.sleep(0.05)
        balance = await other.assert_books_balance()
        assert 0 == balance.charged_ucr
        await provider.stop()
