"""Records as sinks get them."""

from dataclasses import replace

from support import asks

from gateway.metering.records import Settlement, Source, usage_record
from gateway.metering.usage import Usage
from gateway.sinks.base import Shipment

SOURCE = Source("urn:tollkeeper:test", 10_000_000)
SETTLED_MS = 1_795_428_852_377


def shipment(
    request_id: str, charge_ucr: int, *, account_id: str = asks.ACCOUNT, model: str = "small-1"
) -> Shipment:
    event = asks.usage_event(request_id, charge_ucr, account_id=account_id)
    usage = Usage(input_uncached=charge_ucr, output_text=2, pieces=(("web_search", 1),))
    settlement = Settlement(
        event=replace(event, usage=usage, model=model),
        charge_ucr=charge_ucr,
        debt_ucr=0,
        observed_ucr=0,
        settled_ms=SETTLED_MS,
    )
    return Shipment(usage_record(settlement, SOURCE), account_id)
