"""Questions of the gateway's own to a provider: what became of a job, and what its results say.

Each has a deadline, and reads its answer piece by piece: nothing is kept here.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.proxy.framing import field_lines
from gateway.proxy.headers import request_headers
from gateway.proxy.providers import Provider
from gateway.proxy.seams import Answer

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    target: str
    """Path and query."""
    headers: tuple[tuple[str, str], ...]
    request_id: str


class Asking:
    def __init__(
        self, providers: Mapping[str, Provider], *, now_ms: Callable[[], int], timeout_s: float
    ) -> None:
        """`now_ms`: the ledger's clock. `timeout_s` is for a whole answer."""
        self._providers = providers
        self._now_ms = now_ms
        self._timeout_s = timeout_s

    async def get(
        self, question: Question, *, provider: str, begin: Callable[[Answer], Sink | None]
    ) -> None:
        """Ask, and hand the body to what `begin` answers for the head; None: it does not matter.

        Raises UpstreamFailed for a provider that is not there any more, cannot be reached, breaks
        off or takes too long.
        """
        known = self._providers.get(provider)
        if known is None:
            raise UpstreamFailed(f"The provider {provider!r} is not configured any more.")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._get(known, question, begin)
        except TimeoutError:
            raise UpstreamTimeout("The provider took too long to answer.") from None

    async def _get(
        self, provider: Provider, question: Question, begin: Callable[[Answer], Sink | None]
    ) -> None:
        now_s = self._now_ms() / 1000
        headers = request_headers(
            [
                (b"accept", b"application/json"),
                *((name.encode(), value.encode("latin-1")) for name, value in question.headers),
            ],
            host=provider.host,
            credential=await provider.credential("GET", question.target, b"", now_s=now_s),
            body_bytes=0,
            request_id=question.request_id.encode(),
            identity_only=True,
        )
        answer = await provider.upstream.request(
            "GET", question.target, fields=field_lines(headers), body=b""
        )
        sink = begin(answer)
        if sink is None:
            answer.cancel()
            return
        try:
            answer.relay_to(sink)
            await answer.ended
        except BaseException:
            answer.cancel()
            raise
