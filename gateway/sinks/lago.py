"""Lago: an event for each class of tokens and kind of pieces that a call used.

`POST {base}/api/v1/events/batch`, at most 100 events. A batch is answered with 200, or with 422
and the errors of each event by its index; then none of it was taken
(docs.getlago.com, "Batch usage events", read 2026-11). `value_already_exist` on `transaction_id`
says that an event came before, which is what we wanted. Where events are stored in ClickHouse
`transaction_id` and timestamp together tell duplicates: ours is the settlement's, to the
millisecond, whenever it is sent.

| ours | Lago's |
|---|---|
| record id and class | `transaction_id`: `<id>.<class>` |
| the account's `lago` id, or our own | `external_subscription_id` |
| class or kind | `code`: the option `metric` with `{class}` replaced, `llm_{class}` by default |
| tokens or pieces | `properties.value` |
| the charge, with `charge_metric` set | one more event, its value in microcredits |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from gateway.sinks.base import (
    DELIVERED,
    DUPLICATE,
    Customers,
    Fate,
    Limits,
    Outcome,
    Shipment,
    poison,
)
from gateway.sinks.http import Answer, Http, outcome_of

EVENTS_MAX = 100
UNPROCESSABLE = 422
EXISTS = "value_already_exist"
CHARGE = "charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class LagoOptions:
    """`charge_metric`: the code of the metric for the charge in microcredits; empty for none."""

    url: str
    api_key: str = field(repr=False)
    metric: str
    charge_metric: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class _Event:
    owner: int
    """Index of the shipment it tells of."""
    content: Mapping[str, object]


class LagoSink:
    customers = Customers(external="lago")

    def __init__(self, name: str, options: LagoOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self._url = f"{options.url}/api/v1/events/batch"
        self._options = options
        self._http = Http(
            timeout_s=options.timeout_s,
            headers={
                "Authorization": f"Bearer {options.api_key}",
                "Content-Type": "application/json",
            },
        )

    async def open(self) -> None:
        self._http.open()

    async def close(self) -> None:
        await self._http.close()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        events = [
            _Event(owner, content)
            for owner, shipment in enumerate(shipments)
            for content in self._events(shipment)
        ]
        outcomes: list[list[Outcome]] = [[] for _ in shipments]
        for start in range(0, len(events), EVENTS_MAX):
            batch = events[start : start + EVENTS_MAX]
            for event, outcome in zip(batch, await self._send(batch), strict=True):
                outcomes[event.owner].append(outcome)
        return [worst(each) for each in outcomes]

    def _events(self, shipment: Shipment) -> Iterator[Mapping[str, object]]:
        """None for a call that used and cost nothing."""
        options, record = self._options, shipment.record
        for name, count in record.usage.items():
            yield self._event(shipment, name, options.metric.replace("{class}", name), count)
        if options.charge_metric and record.charge_ucr:
            yield self._event(shipment, CHARGE, options.charge_metric, record.charge_ucr)

    def _event(self, shipment: Shipment, name: str, code: str, value: int) -> Mapping[str, object]:
        record = shipment.record
        seconds, ms = divmod(record.settled_ms, 1000)
        return {
            "transaction_id": f"{record.record_id}.{name}",
            "external_subscription_id": shipment.customer,
            "code": code,
            "timestamp": f"{seconds}.{ms:03d}",
            "properties": {
                "value": str(value),
                "model": record.model,
                "provider": record.provider,
                "request_id": record.record_id,
            },
        }

    async def _send(self, events: Sequence[_Event]) -> list[Outcome]:
        """Without the events it complains of, until it takes the rest."""
        outcomes: dict[int, Outcome] = {}
        left = list(range(len(events)))
        while left:
            contents = [events[index].content for index in left]
            answer = await self._http.post(self._url, orjson.dumps({"events": contents}))
            faults = _faults(answer, len(left))
            if not faults:
                outcomes |= dict.fromkeys(left, outcome_of(answer))
                break
            outcomes |= {left[index]: outcome for index, outcome in faults.items()}
            left = [each for index, each in enumerate(left) if index not in faults]
        return [outcomes[index] for index in range(len(events))]


def _faults(answer: Answer | Outcome, count: int) -> dict[int, Outcome]:
    """What a 422 says of single events; empty when it says nothing of any."""
    if isinstance(answer, Outcome) or answer.status != UNPROCESSABLE:
        return {}
    try:
        details = orjson.loads(answer.body)["error_details"]
        faults = {int(index): _fault(errors) for index, errors in details.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {index: outcome for index, outcome in faults.items() if 0 <= index < count}


def _fault(errors: Mapping[str, Sequence[str]]) -> Outcome:
    said = sorted({f"{name}: {code}" for name, codes in errors.items() for code in codes})
    if said == [f"transaction_id: {EXISTS}"]:
        return DUPLICATE
    return poison(f"HTTP {UNPROCESSABLE}: {'; '.join(said)}"[:200])


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """What became of a record whose events fared differently: as long as one may still be taken
    it is not over, and the others are told apart as duplicates when they come again."""
    for fate in (Fate.RETRY, Fate.REFUSED, Fate.POISON):
        for outcome in outcomes:
            if outcome.fate is fate:
                return outcome
    if outcomes and all(each.fate is Fate.DUPLICATE for each in outcomes):
        return DUPLICATE
    return DELIVERED
