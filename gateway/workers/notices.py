"""Tells account owners and the operator of notices, by webhook: at least once, with patience.

In any number of processes: each message is claimed by one of them at a time. An endpoint that does
not answer delays nobody but itself. Which entries are told to whom is decided where they are
drained (`journal.py`); this only sends.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.errors import GatewayError
from gateway.metering.webhooks import Endpoint, Message, pause_ms
from gateway.sinks.base import Fate, Outcome, Poster
from gateway.stores.noticing import Endpoints, NoticeQueue

BATCH = 32
INTERVAL_S = 1.0
# Longer than any attempt.
CLAIM_MS = 60_000
# However long a receiver asks us to stay away.
RETRY_AFTER_MAX_S = 12 * 3_600


class Observer(Protocol):
    """Told what becomes of notices; must not raise."""

    def noticed(self, outcome: str, endpoint_id: str, reason: str) -> None: ...

    def notices_failed(self, error: GatewayError) -> None: ...

    def fault(self, where: str, fault: BaseException) -> None: ...


class NoticeSender:
    def __init__(
        self,
        queue: NoticeQueue,
        endpoints: Endpoints,
        poster: Poster,
        *,
        pepper: bytes,
        now_ms: Callable[[], int],
        observer: Observer,
    ) -> None:
        self._queue = queue
        self._endpoints = endpoints
        self._poster = poster
        self._pepper = pepper
        self._now_ms = now_ms
        self._observer = observer

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            sent = 0
            try:
                sent = await self.run_once()
            except GatewayError as error:
                self._observer.notices_failed(error)
            except Exception as fault:  # noqa: BLE001 - a worker's loop: it must go on
                self._observer.fault("notices", fault)
            if sent < BATCH:
                # Not in step with the other workers, or all would look at the same moment.
                await asyncio.sleep(INTERVAL_S * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def run_once(self) -> int:
        """Send what is due now; answer how many messages that were. Raises StoreUnavailable."""
        messages = await self._queue.claim(limit=BATCH, claim_ms=CLAIM_MS)
        for failure in await asyncio.gather(*map(self._send, messages), return_exceptions=True):
            if failure is not None:
                raise failure
        return len(messages)

    async def _send(self, message: Message) -> None:
        endpoint = await self._endpoints.get(message.endpoint_id)
        if endpoint is None:
            await self._queue.sent(message)
            return
        if endpoint.disabled:
            await self._queue.bury(replace(message, last_error=endpoint.disabled))
            return
        outcome = await self._poster.post(
            endpoint.url,
            message.document,
            message_id=message.message_id,
            secrets=endpoint.secrets(self._pepper, self._now_ms()),
        )
        await self._book_in(message, endpoint, outcome)

    async def _book_in(self, message: Message, endpoint: Endpoint, outcome: Outcome) -> None:
        tried = replace(message, attempts=message.attempts + 1, last_error=outcome.reason)
        pause = pause_ms(tried.attempts)
        if outcome.fate is Fate.DELIVERED:
            await self._queue.sent(message)
        elif outcome.fate is Fate.DISABLED:
            # Whoever changed it meanwhile knows better; if that is no better, 410 comes again.
            await self._endpoints.change(endpoint, replace(endpoint, disabled=outcome.reason))
            await self._queue.bury(tried)
        elif pause is None:
            await self._queue.bury(tried)
        else:
            asked_ms = int(min(outcome.retry_after_s or 0, RETRY_AFTER_MAX_S) * 1000)
            await self._queue.postpone(tried, pause_ms=max(pause, asked_ms))
        self._observer.noticed(outcome.fate.value, endpoint.endpoint_id, outcome.reason)
