"""OpenMeter: the record as it is, as a batch of CloudEvents.

`POST {base}/api/v1/events`, content type exactly `application/cloudevents-batch+json`; answered
with 204 once accepted. Duplicates are told by source and id, and dropped (OpenMeter's API
reference, "Ingest events", and its page on deduplication, read 2026-11). The subject is the
account's `openmeter` id, or our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from gateway.sinks.base import Customers, Limits, Outcome, Shipment
from gateway.sinks.http import Http, outcome_of

CONTENT_TYPE = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMeterOptions:
    url: str
    api_key: str = field(repr=False)
    timeout_s: float


class OpenMeterSink:
    customers = Customers(external="openmeter")

    def __init__(self, name: str, options: OpenMeterOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self._url = f"{options.url}/api/v1/events"
        authorization = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        self._http = Http(timeout_s=options.timeout_s, headers=authorization)

    async def open(self) -> None:
        self._http.open()

    async def close(self) -> None:
        await self._http.close()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        events = [each.record.cloud_event() | {"subject": each.customer} for each in shipments]
        answer = await self._http.post(
            self._url, orjson.dumps(events), {"Content-Type": CONTENT_TYPE}
        )
        return [outcome_of(answer)] * len(shipments)
