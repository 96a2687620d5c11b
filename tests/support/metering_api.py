"""Asking the Metering API of a running gateway, and waiting until its history has caught up."""

import asyncio
from typing import Any

from support.gateways import TestGateway

from gateway.metering.history import DAY_MS, Question

ROOT = "/metering/v1"


async def ask(
    gateway: TestGateway, path: str, *, key: str | None = None, root: str = ROOT
) -> tuple[int, Any]:
    """Status and JSON of a GET."""
    sent = {"Authorization": f"Bearer {gateway.key if key is None else key}"}
    async with gateway.http.get(gateway.origin + root + path, headers=sent) as answer:
        return answer.status, await answer.json(content_type=None)


async def caught_up(gateway: TestGateway) -> int:
    """The account's charges, once they all stand in the history."""
    charged = (await gateway.settled()).charged_ucr
    end_ms = gateway.ledger.now_ms() // DAY_MS * DAY_MS + 2 * DAY_MS
    asked = Question(account_id=gateway.account, start_ms=0, end_ms=end_ms, width_ms=DAY_MS)
    async with asyncio.timeout(15):
        while True:
            rows = await gateway.gateway.history.usage(asked)
            if sum(row.charge_ucr for row in rows) == charged:
                return charged
            await asyncio.sleep(0.05)
