"""Stripe billing meters, API v1: sums by customer, model, class and minute.

Stripe takes one request at a time for each customer and meter, counts an `identifier` once within
24 hours, and forgets it afterwards (docs.stripe.com, "Record usage for billing with the API", and
the references of meter events, adjustments and event summaries, read 2026-11). So records are
added up before they are sent, the sums are stored with their identifiers before the first attempt,
and a sum whose fate is not known after `RESEND_MS` is looked for before anything else is done.

| ours | Stripe's |
|---|---|
| meter, customer, model, class, minute and a mark | `identifier`, at most 100 characters |
| the minute's beginning | `timestamp` |
| the account's `stripe` id | `payload[stripe_customer_id]` |
| tokens or pieces | `payload[value]`, a whole number |
| provider and model | `payload[model]`: `provider/model` |
| class or kind | `payload[token_type]` |
| the charge, with `charge_event_name` set | an event of that name, its value in microcredits |
"""

import hashlib
from asyncio import Lock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakValueDictionary

import orjson

from gateway.metering.records import rfc3339
from gateway.metering.sums import Message
from gateway.sinks.base import (
    DELIVERED,
    DUPLICATE,
    Customers,
    Limits,
    Outcome,
    Shipment,
    retry,
)
from gateway.sinks.http import Answer, Http, outcome_of

CONTENT = {"Content-Type": "application/x-www-form-urlencoded"}
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
# An identifier is remembered for 24 hours; four of them are for clocks and slow requests.
RESEND_MS = 20 * HOUR_MS
BAD_REQUEST, CONFLICT = 400, 409
CHARGE = "charge"
METERS_PAGE = 100
PAGES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeOptions:
    """`charge_event_name`: the meter that gets the charge in microcredits; empty for none."""

    url: str
    api_key: str = field(repr=False)
    event_name: str
    charge_event_name: str
    skip_unknown: bool
    timeout_s: float


class StripeSink:
    resend_ms = RESEND_MS

    def __init__(self, name: str, options: StripeOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self.customers = Customers(
            external="stripe", or_account_id=False, skip=options.skip_unknown
        )
        self._options = options
        self._http = Http(
            timeout_s=options.timeout_s, headers={"Authorization": f"Bearer {options.api_key}"}
        )
        self._turns: WeakValueDictionary[tuple[str, str], Lock] = WeakValueDictionary()
        self._meters: dict[str, str] = {}

    async def open(self) -> None:
        self._http.open()

    async def close(self) -> None:
        await self._http.close()

    def messages(self, shipments: Sequence[Shipment], *, mark: str) -> Sequence[Message]:
        sums: dict[tuple[str, ...], int] = {}
        for shipment in shipments:
            for key, count in self._parts(shipment):
                sums[key] = sums.get(key, 0) + count
        return [_message(key, value, mark) for key, value in sums.items()]

    def _parts(self, shipment: Shipment) -> Iterator[tuple[tuple[str, ...], int]]:
        options, record = self._options, shipment.record
        minute = str(record.settled_ms - record.settled_ms % MINUTE_MS)
        of = (shipment.customer, record.provider, record.model, minute)
        for name, count in record.usage.items():
            yield (options.event_name, name, *of), count
        if options.charge_event_name and record.charge_ucr:
            yield (options.charge_event_name, CHARGE, *of), record.charge_ucr

    async def send(self, message: Message) -> Outcome:
        form = {
            "event_name": message.meter,
            "identifier": message.identifier,
            "timestamp": str(message.minute_ms // 1000),
            "payload[stripe_customer_id]": message.customer,
            "payload[value]": str(message.value),
            "payload[model]": f"{message.provider}/{message.model}",
            "payload[token_type]": message.token_class,
        }
        # While somebody waits for it the lock lives.
        turn = self._turns.setdefault((message.meter, message.customer), Lock())
        async with turn:
            answer = await self._http.post(
                f"{self._options.url}/v1/billing/meter_events",
                urlencode(form).encode(),
                CONTENT | {"Idempotency-Key": message.identifier},
            )
        if isinstance(answer, Answer) and answer.status == BAD_REQUEST and _exists(answer):
            return DUPLICATE
        if isinstance(answer, Answer) and answer.status == CONFLICT:
            return retry(answer.quoted, after_s=answer.retry_after_s)
        return outcome_of(answer)

    async def total(self, message: Message) -> int | Outcome:
        """What Stripe has counted on the message's meter for its customer in its minute."""
        meter = await self._meter(message.meter)
        if isinstance(meter, Outcome):
            return meter
        start_s = message.minute_ms // 1000
        query = urlencode(
            {"customer": message.customer, "start_time": start_s, "end_time": start_s + 60}
        )
        path = f"/v1/billing/meters/{quote(meter, safe='')}/event_summaries"
        page = await self._get(f"{path}?{query}")
        if isinstance(page, Outcome):
            return page
        return sum(int(summary["aggregated_value"]) for summary in page["data"])

    async def cancel(self, identifier: str, *, event_name: str) -> Outcome:
        """Take a meter event back; Stripe allows it for 24 hours."""
        form = {
            "event_name": event_name,
            "type": "cancel",
            "cancel[identifier]": identifier,
        }
        answer = await self._http.post(
            f"{self._options.url}/v1/billing/meter_event_adjustments",
            urlencode(form).encode(),
            CONTENT,
        )
        return DELIVERED if isinstance(answer, Answer) and answer.ok else outcome_of(answer)

    async def _meter(self, event_name: str) -> str | Outcome:
        """The meter's id, which summaries are asked by."""
        after = ""
        for _ in range(PAGES_MAX):
            if event_name in self._meters:
                return self._meters[event_name]
            page = await self._get(f"/v1/billing/meters?limit={METERS_PAGE}{after}")
            if isinstance(page, Outcome):
                return page
            self._meters |= {meter["event_name"]: meter["id"] for meter in page["data"]}
            if not page.get("has_more"):
                break
            after = f"&starting_after={quote(page['data'][-1]['id'], safe='')}"
        return self._meters.get(event_name) or retry(f"Stripe has no meter {event_name}")

    async def _get(self, path: str) -> dict[str, Any] | Outcome:
        answer = await self._http.ask("GET", f"{self._options.url}{path}")
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok:
            return retry(answer.quoted, after_s=answer.retry_after_s)
        try:
            page: dict[str, Any] = orjson.loads(answer.body)
            page["data"] = list(page["data"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return retry("Stripe's answer cannot be read")
        return page


def _message(key: tuple[str, ...], value: int, mark: str) -> Message:
    meter, token_class, customer, provider, model, minute = key
    of = hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]
    minute_ms = int(minute)
    stamp = rfc3339(minute_ms)[:16].translate(str.maketrans("", "", "-:"))
    return Message(
        identifier=f"{of}.{stamp}.{mark}",
        meter=meter,
        customer=customer,
        model=model,
        provider=provider,
        token_class=token_class,
        value=value,
        minute_ms=minute_ms,
    )


def _exists(answer: Answer) -> bool:
    """Whether a 400 says that the identifier was counted already."""
    try:
        message = str(orjson.loads(answer.body)["error"]["message"]).lower()
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    return "identifier" in message and "already exists" in message
