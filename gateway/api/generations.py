"""GET /generations/{request_id}: the receipt of a call, line by line.

Itemised with the very rates that priced it, which the history keeps by their digest. If it has
them not, that is said, and nothing is computed with others.
"""

from collections.abc import Sequence
from typing import Literal, cast

from gateway.access.services import ServiceScope
from gateway.api.ledger import BurnReply, MovementReply, told
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.api.whose import AccountQuery, account_of
from gateway.errors import HistoryUnavailable, NotFound
from gateway.metering.admission import decimal_credits
from gateway.metering.events import integer_in, text_in, usage_in
from gateway.metering.history import Movement
from gateway.metering.journal import Entry
from gateway.metering.pricing import ModelPrice
from gateway.metering.receipt import Line, receipt_lines

FINAL = ("settled", "late")


class LineReply(Reply):
    """quantity x credits_per_million x percent: rounded down; the lines add up to the charge."""

    kind: str
    """tokens, pieces, request_fee; `rounding`: a call is rounded up once, as a whole;
    `unitemised`: what usage times rates does not explain."""
    name: str
    quantity: int
    credits_per_million: str | None
    percent: int
    """Of that rate, by the service tier."""
    amount: Amount


class ReceiptReply(Reply):
    """What a call cost, how that comes about, and which credit paid."""

    object: Literal["receipt"] = "receipt"
    request_id: str
    account_id: str
    api_key_id: str
    provider: str
    dialect: str
    model_requested: str
    model: str
    service_tier: str
    provenance: str
    """Where the usage came from: `reported` by the provider, `counted` by us, or `held`."""
    end: str
    http_status: int
    started_at: Moment
    charged_at: Moment
    duration_ms: int
    rate_version: str
    rates: Literal["known", "unknown"]
    """`unknown`: those that priced it are not kept here; the charge stands in one line."""
    lines: Sequence[LineReply]
    charge: Amount
    hold: Amount
    """What was set aside at most."""
    burned: Sequence[BurnReply]
    """Which grants paid."""
    debt: Amount
    observed: Amount
    movements: Sequence[MovementReply]
    """The journal's entries of this call."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_receipt(asked: Asked[Query]) -> ReceiptReply:
        known = cast("Asked[AccountQuery]", asked)
        account_id, request_id = account_of(known), known.segments["request_id"]
        found = await resources.history.request(account_id, request_id)
        counted = last_ending(found)
        if not counted:
            raise NotFound(
                "This account has no charged call of that id. The id stands in the answer's "
                "x-tollkeeper-request-id; a call is here a second after its end."
            )
        rate_id = counted[-1].event.get("rate_id")
        price = await resources.history.price(rate_id) if isinstance(rate_id, str) else None
        return _receipt(counted, price, movements=found)

    return (
        Operation(
            method="GET",
            path="/generations/{request_id}",
            name="getReceipt",
            summary="The receipt of a call: classes times rates is the charge, exactly",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_receipt,
            query=AccountQuery,
            answer=ReceiptReply,
            errors=(NotFound, HistoryUnavailable),
        ),
    )


def last_ending(movements: Sequence[Movement]) -> Sequence[Entry]:
    """What counts of a call's entries. One that ended twice did so because the store was set back
    in time between: the ledger knows of the last."""
    charging = [each.entry for each in movements if each.entry.charges and each.entry.event]
    finals = [entry for entry in charging if entry.kind in FINAL]
    return [entry for entry in charging if entry.kind not in FINAL or entry is finals[-1]]


def _receipt(
    counted: Sequence[Entry], price: ModelPrice | None, *, movements: Sequence[Movement]
) -> ReceiptReply:
    last = counted[-1]
    event, used = last.event, usage_in(last.event)
    charge_ucr = sum(entry.amount_ucr for entry in counted)
    burned: dict[str, int] = {}
    for entry in counted:
        for name, ucr in entry.slices:
            burned[name] = burned.get(name, 0) + ucr
    return ReceiptReply(
        request_id=last.operation_id,
        account_id=last.account_id,
        api_key_id=text_in(event, "key_id"),
        provider=text_in(event, "provider"),
        dialect=text_in(event, "dialect"),
        model_requested=text_in(event, "model_requested"),
        model=text_in(event, "model"),
        service_tier=used.service_tier,
        provenance=text_in(event, "provenance"),
        end=text_in(event, "end"),
        http_status=integer_in(event, "http_status"),
        started_at=moment(integer_in(event, "started_ms")),
        charged_at=moment(last.time_ms),
        duration_ms=integer_in(event, "duration_ms"),
        rate_version=text_in(event, "rate_version"),
        rates="unknown" if price is None else "known",
        lines=[_line(line) for line in receipt_lines(price, used, charge_ucr=charge_ucr)],
        charge=amount(charge_ucr),
        hold=amount(integer_in(event, "held_ucr")),
        burned=[BurnReply(grant=name, amount=amount(ucr)) for name, ucr in burned.items()],
        debt=amount(sum(entry.debt_ucr for entry in counted)),
        observed=amount(sum(entry.observed_ucr for entry in counted)),
        movements=[told(each) for each in movements],
    )


def _line(line: Line) -> LineReply:
    return LineReply(
        kind=line.kind.value,
        name=line.name,
        quantity=line.quantity,
        credits_per_million=None if line.rate_ucr is None else decimal_credits(line.rate_ucr),
        percent=line.percent,
        amount=amount(line.amount_ucr),
    )
