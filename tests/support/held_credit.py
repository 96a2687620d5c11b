"""Credit that is held, not gone, for as long as it takes somebody else to be refused for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.gateways import TestGateway

STRICT = "{enforcement: strict}"


@asynccontextmanager
async def held_until_refused(tk: TestGateway, *, max_tokens: int) -> AsyncIterator[None]:
    """A call holds `max_tokens` under a strict plan; leaving waits for a `balance_held` refusal
    in the gateway's log, then hangs up, which gives back what was held."""
    async with tk.chat(max_tokens=max_tokens, stream=True, simulate="fail=silent_after:5"):
        yield
        async with asyncio.timeout(20):
            while True:
                if "balance_held" in [line["reason"] for line in tk.lines.calls()]:
                    break
                await asyncio.sleep(0.05)
