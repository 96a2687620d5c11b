"""Standard Webhooks: batches of records to a customer's or an operator's own endpoint.

Signed as the specification says (standardwebhooks.com, v1): HMAC-SHA-256 over
`<id>.<timestamp>.<body>`, one signature for each secret, so that a secret can be replaced while
both are valid. `webhook-id` is made of what is sent: the same batch sent again has the same one,
and each record has its own id beside it.

410 ends it: the receiver wants nothing more. 429, 502 and 504 slow us down, as all failures do.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson

from gateway.sinks.addresses import GuardedResolver, Networks, permitted_literal
from gateway.sinks.base import Customers, Fate, Limits, Outcome, Shipment, retry
from gateway.sinks.http import CONNECTIONS_MAX, Answer, Http, outcome_of

EVENT_TYPE = "usage.batch"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
GONE = 410
MS_PER_S = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """`secrets`: the raw keys; the first is the one receivers should know in the end."""

    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    allow: Networks
    timeout_s: float


class WebhookSink:
    customers = Customers()

    def __init__(
        self,
        name: str,
        options: WebhookOptions,
        limits: Limits,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self.name, self.limits = name, limits
        self._options = options
        self._now_ms = now_ms
        self._http = Http(timeout_s=options.timeout_s)

    async def open(self) -> None:
        resolver = GuardedResolver(self._options.allow)
        self._http.open(aiohttp.TCPConnector(resolver=resolver, limit=CONNECTIONS_MAX))

    async def close(self) -> None:
        await self._http.close()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        # No resolver is asked about an address that stands in the URL itself.
        if not permitted_literal(self._options.url, self._options.allow):
            refused = retry("the URL leads to an address that webhooks may not go to")
            return [refused] * len(shipments)
        records = [each.record for each in shipments]
        body = orjson.dumps(
            {
                "type": EVENT_TYPE,
                "timestamp": records[-1].time,
                "data": {"records": [record.cloud_event() for record in records]},
            }
        )
        headers = self._signed(message_id([each.record_id for each in records]), body)
        answer = await self._http.post(self._options.url, body, headers)
        return [_outcome(answer)] * len(shipments)

    def _signed(self, message: str, body: bytes) -> dict[str, str]:
        timestamp = str(self._now_ms() // MS_PER_S)
        return {
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": timestamp,
            "webhook-signature": signatures(self._options.secrets, message, timestamp, body),
        }


def signatures(secrets: Sequence[bytes], message: str, timestamp: str, body: bytes) -> str:
    signed = f"{message}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
        for secret in secrets
    )


def message_id(record_ids: Sequence[str]) -> str:
    """The same for the same records in the same order."""
    return "msg_" + hashlib.sha256("\n".join(record_ids).encode()).hexdigest()[:32]


def secret_of(text: str) -> bytes:
    """`whsec_` and base64. Raises ValueError for anything else, or less than 24 bytes."""
    key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    if not text.startswith(SECRET_PREFIX) or len(key) < 24:  # noqa: PLR2004 - the specification's least
        raise ValueError
    return key


def _outcome(answer: Answer | Outcome) -> Outcome:
    if isinstance(answer, Answer) and answer.status == GONE:
        return Outcome(Fate.DISABLED, "HTTP 410: the receiver wants nothing more")
    return outcome_of(answer)
