"""Posts one notice to one endpoint, as Standard Webhooks have it. See `webhook.py` for the signing
and `addresses.py` for where it may go."""

from collections.abc import Callable, Mapping, Sequence

import aiohttp
import orjson

from gateway.sinks.addresses import GuardedResolver, Networks, permitted_literal
from gateway.sinks.base import Fate, Outcome, retry
from gateway.sinks.http import CONNECTIONS_MAX, Answer, Http
from gateway.sinks.webhook import GONE, MS_PER_S, signatures


class NoticePoster:
    """Answers `sinks.base.Poster`."""

    def __init__(self, *, allow: Networks, timeout_s: float, now_ms: Callable[[], int]) -> None:
        self._allow = allow
        self._now_ms = now_ms
        self._http = Http(timeout_s=timeout_s)

    async def open(self) -> None:
        resolver = GuardedResolver(self._allow)
        self._http.open(aiohttp.TCPConnector(resolver=resolver, limit=CONNECTIONS_MAX))

    async def close(self) -> None:
        await self._http.close()

    def permits(self, url: str) -> bool:
        return permitted_literal(url, self._allow)

    async def post(
        self,
        url: str,
        document: Mapping[str, object],
        *,
        message_id: str,
        secrets: Sequence[bytes],
    ) -> Outcome:
        body = orjson.dumps(document)
        if not self.permits(url):
            return retry("the URL leads to an address that webhooks may not go to")
        timestamp = str(self._now_ms() // MS_PER_S)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signatures(secrets, message_id, timestamp, body),
        }
        answer = await self._http.post(url, body, headers)
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            return Outcome(Fate.DELIVERED)
        if answer.status == GONE:
            return Outcome(Fate.DISABLED, "HTTP 410: the receiver wants nothing more")
        # Whatever else it says may be mended: an endpoint is a program that somebody works on.
        return retry(answer.quoted, after_s=answer.retry_after_s)
