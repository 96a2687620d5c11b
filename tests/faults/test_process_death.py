"""kill -9 of a gateway in mid-stream: the hold is resolved by others, to the last checkpoint."""

import asyncio
from pathlib import Path

from support.gateways import INPUT_UCR, OUTPUT_UCR, gateway_pair

LEASE_S = 5
WORDS = 300
# The frame of a chat prompt with one message, its role included (openai_chat_prompt.py).
FRAME_TOKENS = 7


async def test_a_killed_gateways_hold_is_charged_to_its_checkpoint_once(
    tmp_path: Path, store_url: str
) -> None:
    """One gateway dies in mid-stream; a second one, on the same store, resolves its hold."""
    async with gateway_pair(tmp_path, store_url, lease_s=LEASE_S, checkpoint_s=0.2) as pair:
        said = [{"role": "user", "content": " toll" * WORDS}]
        answer = await pair.client.chat("tokens=2000,delay_ms=5", stream=True, messages=said)
        entry = pair.provider.journal.entries[0]
        async with asyncio.timeout(20):
            while entry.tokens < 150:
                await answer.content.readany()
        produced = entry.tokens
        pair.process.kill()
        answer.close()
        assert 1 == (await pair.other.balance()).live_holds
        await pair.hold_resolved(within_s=LEASE_S + 5)
        balance = await pair.other.assert_books_balance()
        [event] = await pair.other.events()
        assert "hold_expired" == event["end"]
        charged_tokens = event["usage"]["output_text"]
        assert charged_tokens <= produced + 60
        # A checkpoint every 0.2 s at about 5 ms a token, on a machine busy with other tests.
        assert charged_tokens >= produced - 150
        assert charged_tokens > 0
        prompt = event["usage"]["input_uncached"]
        # Admitted on its bytes, which are five times as many; nobody had counted it yet.
        assert WORDS <= prompt <= WORDS + FRAME_TOKENS
        assert prompt * INPUT_UCR + charged_tokens * OUTPUT_UCR == balance.charged_ucr


async def test_killed_before_an_answer_everything_is_given_back(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_pair(tmp_path, store_url, lease_s=LEASE_S) as pair:
        call = asyncio.ensure_future(pair.client.chat("first_ms=60000"))
        await pair.provider.journal.wait_for(lambda journal: journal.total == 1, timeout_s=20)
        pair.process.kill()
        await asyncio.gather(call, return_exceptions=True)
        await pair.hold_resolved(within_s=LEASE_S + 5)
        balance = await pair.other.assert_books_balance()
        assert 0 == balance.charged_ucr
