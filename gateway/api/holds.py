"""GET /holds: what is set aside now, for the holder of a key and for operators."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.metering.advances import ADVANCE
from gateway.stores.operating import OpenHold


class HoldsQuery(Query):
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    """Holds in the list."""


class AllHoldsQuery(HoldsQuery):
    account_id: Annotated[str, Field(max_length=64)] = ""
    """Only this one's."""


class HoldReply(Reply):
    """Credit that is set aside for a call."""

    id: str
    """Of the request, the job or the reservation it belongs to."""
    kind: str
    """`call`, `job`, `reservation`, or `advance`: set aside so that calls are served while the
    ledger does not answer."""
    account_id: str
    api_key_id: str | None
    model: str | None
    """Null, as the key, until the call was heard of once, some seconds after it began."""
    held: Amount
    booked: Amount | None
    """What is charged if its process dies now; null before the first checkpoint."""
    started_at: Moment
    lease_ends_at: Moment
    """Without a sign of life until then it is resolved."""


class OwnHoldsReply(Reply):
    """Those of the account whose lease ends first."""

    as_of: Moment
    data: Sequence[HoldReply]
    more: bool
    """Not all that are open were looked at, or fit into the list."""


class HoldsReply(Reply):
    """Those whose lease ends first."""

    as_of: Moment
    open: int
    overdue: int
    """The lease has ended, and nobody resolved them yet."""
    data: Sequence[HoldReply]


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_own(asked: Asked[Query]) -> OwnHoldsReply:
        assert isinstance(asked.query, HoldsQuery)
        found = await resources.oversight.holds.of_account(
            asked.holder.account.account_id, limit=asked.query.limit
        )
        return OwnHoldsReply(
            as_of=moment(resources.ledger.now_ms()),
            data=[_told(each) for each in found.holds],
            more=found.more,
        )

    return (
        Operation(
            method="GET",
            path="/holds",
            name="listOwnHolds",
            summary="What is set aside for the account's running calls, jobs and reservations",
            tag="Self-service",
            audience=Audience.KEY,
            handler=get_own,
            query=HoldsQuery,
            answer=OwnHoldsReply,
        ),
    )


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_all(asked: Asked[Query]) -> HoldsReply:
        query, holds = asked.query, resources.oversight.holds
        assert isinstance(query, AllHoldsQuery)
        now_ms = resources.ledger.now_ms()
        if query.account_id:
            own = (await holds.of_account(query.account_id, limit=query.limit)).holds
            overdue = sum(each.deadline_ms <= now_ms for each in own)
            return _all(own, now_ms=now_ms, count=len(own), overdue=overdue)
        found = await holds.look(limit=query.limit)
        return _all(found.first, now_ms=now_ms, count=found.open, overdue=found.overdue)

    return (
        Operation(
            method="GET",
            path="/holds",
            name="listHolds",
            summary="What is set aside for running calls, those whose lease ends first",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_all,
            query=AllHoldsQuery,
            answer=HoldsReply,
        ),
    )


def _all(holds: Sequence[OpenHold], *, now_ms: int, count: int, overdue: int) -> HoldsReply:
    return HoldsReply(
        as_of=moment(now_ms), open=count, overdue=overdue, data=[_told(each) for each in holds]
    )


def _told(hold: OpenHold) -> HoldReply:
    return HoldReply(
        id=hold.hold_id,
        kind=_kind(hold),
        account_id=hold.account_id,
        api_key_id=hold.key_id or None,
        model=hold.model or None,
        held=amount(hold.held_ucr),
        booked=None if hold.booked_ucr is None else amount(hold.booked_ucr),
        started_at=moment(hold.started_ms),
        lease_ends_at=moment(hold.deadline_ms),
    )


def _kind(hold: OpenHold) -> str:
    if hold.hold_id.startswith(ADVANCE):
        return "advance"
    return "job" if hold.job else "reservation" if hold.reservation else "call"
