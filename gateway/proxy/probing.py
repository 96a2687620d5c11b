"""Asking a provider regularly whether it is there, between the calls: active health checking.

Off unless configured. A probe is the gateway's own request with the provider's credential, so no
caller's key is in it, no account pays for it and no budget is used up. It shortens what calls
would find out by failing, and never decides alone: one that was ejected and answers a probe gets
the next call as its trial. One probe of a provider at a time; each worker makes its own.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from uuid import uuid4

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.metering.failover import AttemptEnd, ProbeEnd, ProbePolicy, Unanswered, probe_end
from gateway.proxy.asking import Asking, Question
from gateway.proxy.health import Health
from gateway.proxy.seams import Answer


class Probe:
    """That of one provider; `asking` has its deadline."""

    def __init__(
        self,
        provider: str,
        policy: ProbePolicy,
        *,
        asking: Asking,
        health: Health,
        draw: Callable[[], float],
        told: Callable[[str, ProbeEnd], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """`draw`: uniform in [0, 1): workers that started together are not to ask together."""
        self.provider = provider
        self._policy = policy
        self._asking = asking
        self._health = health
        self._draw = draw
        self._told = told
        self._on_fault = on_fault

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._policy.interval_s * (0.5 + self._draw()))
            try:
                end = probe_end(await self._ask())
                self._health.probed(end, now_s=monotonic())
                self._told(self.provider, end)
            except Exception as fault:  # noqa: BLE001  a worker's loop: it must go on
                self._on_fault(fault)

    async def _ask(self) -> AttemptEnd:
        statuses = []

        def begin(answer: Answer) -> None:
            # The head is all that matters; without a reader the rest is broken off.
            statuses.append(answer.status)

        question = Question(
            target=self._policy.path, headers=(), request_id=f"probe_{uuid4().hex[:24]}"
        )
        try:
            await self._asking.get(question, provider=self.provider, begin=begin)
        except UpstreamTimeout as error:
            # All connections taken: calls are being served.
            return Unanswered.BUSY if error.code == "upstream_busy" else Unanswered.TIMEOUT
        except UpstreamFailed:
            return Unanswered.RESET
        return statuses[0]
