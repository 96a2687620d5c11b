"""A list of stored objects, for a caller who may see only its own account's.

The provider lists everybody's. Its pages are read whole and reduced to what is the caller's; one
that has nothing of it is passed over for the next, because clients stop at an empty page.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.dialects.endpoint import Endpoint
from gateway.dialects.jobs import JSON
from gateway.dialects.stored_lists import Page, read_page
from gateway.errors import UpstreamFailed
from gateway.metering.accounts import Caller
from gateway.proxy.content import content_of
from gateway.proxy.forwarding import outgoing, target_of
from gateway.proxy.providers import Provider
from gateway.proxy.seams import Answer, Exchange, RawHeaders
from gateway.proxy.stored import StoredObjects

# OpenAI's longest page has 10 000 files.
PAGE_BYTES_MAX = 16 * 1024 * 1024
# How many pages in a row may have nothing of the caller's before an empty one is answered.
PAGES_MAX = 50
SERVED = range(200, 300)


@dataclass(slots=True)
class Whole:
    """An answer that is there already. Implements `Answer`."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    over = True
    error = None

    @property
    def ended(self) -> "asyncio.Future[None]":
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        return ended

    def relay_to(
        self,
        sink: Callable[[bytes], None],
        *,
        ended: Callable[[], None] | None = None,  # noqa: ARG002  it is over already
    ) -> None:
        if self.body:
            sink(self.body)

    def pause(self) -> None:
        """It was given in one piece."""

    def resume(self) -> None:
        """Nothing waits."""

    def cancel(self) -> None:
        """Nothing comes any more."""


class Listing:
    def __init__(self, stored: StoredObjects, *, now_ms: Callable[[], int]) -> None:
        """`now_ms`: the ledger's clock."""
        self._stored = stored
        self._now_ms = now_ms

    async def answer(
        self, exchange: Exchange, endpoint: Endpoint, caller: Caller, provider: Provider
    ) -> Answer:
        """A page of what is the caller's own; a refusal of the provider's as it came.

        Raises UpstreamFailed for a list that cannot be read: it is shown to nobody.
        """
        path, _, query = target_of(exchange.request).partition("?")
        api, collection = endpoint.api, endpoint.stored.collection
        for further in range(PAGES_MAX, 0, -1):
            answer = await self._ask(exchange, provider, f"{path}?{query}" if query else path)
            if answer.status not in SERVED:
                return answer
            page = read_page(answer.body, api=api, collection=collection)
            if page is None:
                break
            own = await self._stored.own(caller, api, page.ids())
            following = None if own or further == 1 else page.next_query(query)
            if following is None:
                self._stored.told(caller, api, page.told(own) if endpoint.stored.creates else ())
                return _reduced(answer, page, own)
            query = following
        raise UpstreamFailed("The provider's list cannot be read, nor shown unread.")

    async def _ask(self, exchange: Exchange, provider: Provider, target: str) -> Whole:
        fields = await outgoing(exchange, provider, target, b"", plain=True, now_ms=self._now_ms())
        answer = await provider.upstream.request("GET", target, fields=fields, body=b"")
        try:
            body = await _body(answer)
        except BaseException:
            answer.cancel()
            raise
        content_type, encoding = content_of(answer.headers)
        if answer.status in SERVED and (encoding or content_type != JSON):
            raise UpstreamFailed("The provider's list is no plain JSON, nor shown unread.")
        return Whole(answer.status, answer.reason, answer.headers, body)


async def _body(answer: Answer) -> bytes:
    pieces: list[bytes] = []
    size = 0

    def take(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size <= PAGE_BYTES_MAX:
            pieces.append(data)
        else:
            answer.cancel()

    answer.relay_to(take)
    await answer.ended
    if size > PAGE_BYTES_MAX:
        raise UpstreamFailed("The provider's list is too long; ask for fewer at once (`limit`).")
    return b"".join(pieces)


def _reduced(answer: Whole, page: Page, own: Collection[str]) -> Whole:
    body = page.reduced(own)
    headers: RawHeaders = [
        *(each for each in answer.headers if each[0].lower() != b"content-length"),
        (b"Content-Length", b"%d" % len(body)),
    ]
    return Whole(answer.status, answer.reason, list(headers), body)
