"""Many calls at once: the ledger admits what is paid for, and not one call more."""

import asyncio
from pathlib import Path

import orjson
from support.gateways import OUTPUT_UCR, running_gateway

from gateway.metering.ledger import Grant


async def test_200_parallel_calls_on_credit_for_50_reach_the_provider_50_times(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, credit=0) as tk:
        price_ucr = await _price_of_one_call(tk)
        await tk.ledger.grant(
            Grant(grant_id="fifty", account_id=tk.account, amount_ucr=50 * price_ucr)
        )

        async def call() -> int:
            async with tk.chat(max_tokens=10, simulate="tokens=10,first_ms=1500") as answer:
                await answer.read()
                return answer.status

        statuses = await asyncio.gather(*(call() for _ in range(200)))
        assert 50 == statuses.count(200)
        assert 150 == statuses.count(429)
        assert 50 == tk.provider.journal.total
        balance = await tk.assert_books_balance()
        assert 0 <= balance.available_ucr


async def _price_of_one_call(tk) -> int:
    """What the ledger asks for it: told by a refusal while there is no credit at all."""
    async with tk.chat(max_tokens=10) as answer:
        error = orjson.loads(await answer.read())["error"]
    required = round(float(error["required"]) * 1_000_000)
    assert required > 10 * OUTPUT_UCR
    return required
