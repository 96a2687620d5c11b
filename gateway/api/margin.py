"""GET /margin: what was charged, what providers bill for it, and what is left, for operators."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.accuracy import since_ms
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.errors import HistoryUnavailable
from gateway.metering.margin import Margin, margins


class MarginQuery(Query):
    hours: Annotated[int, Field(ge=1, le=24 * 400)] = 24
    """How far back, to the beginning of an hour."""


class MarginRow(Reply):
    """A model at a provider. What it cost is known where the provider's `costs` price it."""

    provider: str
    model: str
    calls: int
    charged: Amount
    costed: Amount
    """What of it was charged for calls whose cost is known."""
    cost: Amount | None
    """What the provider bills for these; null: known of none."""
    margin: Amount | None
    """`costed` less `cost`."""


class MarginReply(Reply):
    """Of all accounts."""

    as_of: Moment
    since: Moment
    """Of all calls charged since then, the beginning of an hour."""
    charged: Amount
    costed: Amount
    cost: Amount | None
    margin: Amount | None
    data: Sequence[MarginRow]


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_margin(asked: Asked[Query]) -> MarginReply:
        assert isinstance(asked.query, MarginQuery)
        now_ms = resources.ledger.now_ms()
        start_ms = since_ms(now_ms, hours=asked.query.hours)
        rows = margins(await resources.history.ends(start_ms=start_ms))
        costs = [each.cost_ucr for each in rows if each.cost_ucr is not None]
        margins_ucr = [each.margin_ucr for each in rows if each.margin_ucr is not None]
        return MarginReply(
            as_of=moment(now_ms),
            since=moment(start_ms),
            charged=amount(sum(each.charge_ucr for each in rows)),
            costed=amount(sum(each.costed_ucr for each in rows)),
            cost=known(sum(costs) if costs else None),
            margin=known(sum(margins_ucr) if margins_ucr else None),
            data=[_row(each) for each in rows],
        )

    return (
        Operation(
            method="GET",
            path="/margin",
            name="getMargin",
            summary="By model: what was charged, what providers bill for it, what is left",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_margin,
            query=MarginQuery,
            answer=MarginReply,
            errors=(HistoryUnavailable,),
        ),
    )


def _row(each: Margin) -> MarginRow:
    return MarginRow(
        provider=each.provider,
        model=each.model,
        calls=each.calls,
        charged=amount(each.charge_ucr),
        costed=amount(each.costed_ucr),
        cost=known(each.cost_ucr),
        margin=known(each.margin_ucr),
    )


def known(ucr: int | None) -> Amount | None:
    return None if ucr is None else amount(ucr)
