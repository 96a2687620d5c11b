"""GET /accuracy: whose count was charged."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.errors import HistoryUnavailable
from gateway.metering.accuracy import Counted, accuracy
from gateway.metering.history import HOUR_MS


class AccuracyQuery(Query):
    hours: Annotated[int, Field(ge=1, le=24 * 400)] = 24
    """How far back, to the beginning of an hour."""


class CountedReply(Reply):
    """A model at a provider. `reported`, `counted` and `held` add up to `calls`."""

    provider: str
    model: str
    calls: int
    reported: int
    """Charged as the provider reported."""
    counted: int
    """Charged by the gateway's own count, since no report came."""
    held: int
    """Charged for what was held, since nothing could be counted: each is an incident."""
    charged: Amount
    unreported: Amount
    """What of it was charged without a report."""
    broken: int
    """Did not end as they should, and were charged for what was served."""
    late: int
    """Settled after their hold had expired."""
    expired: int
    """Their process died; charged to the last checkpoint."""
    beyond_holds: Amount
    """Charged beyond what was held."""


class AccuracyReply(Reply):
    """Of all accounts. Where a provider reports, nothing is counted beside it: shares tell how much
    rests on the gateway's own count."""

    as_of: Moment
    since: Moment
    """Of all calls charged since then, the beginning of an hour."""
    data: Sequence[CountedReply]


def since_ms(now_ms: int, *, hours: int) -> int:
    """The hour that was so many hours ago."""
    return max(0, (now_ms // HOUR_MS - hours) * HOUR_MS)


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_accuracy(asked: Asked[Query]) -> AccuracyReply:
        assert isinstance(asked.query, AccuracyQuery)
        now_ms = resources.ledger.now_ms()
        start_ms = since_ms(now_ms, hours=asked.query.hours)
        sums = await resources.history.ends(start_ms=start_ms)
        return AccuracyReply(
            as_of=moment(now_ms),
            since=moment(start_ms),
            data=[_told(each) for each in accuracy(sums)],
        )

    return (
        Operation(
            method="GET",
            path="/accuracy",
            name="getAccuracy",
            summary="Whose count was charged: the provider's, the gateway's, or what was held",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_accuracy,
            query=AccuracyQuery,
            answer=AccuracyReply,
            errors=(HistoryUnavailable,),
        ),
    )


def _told(each: Counted) -> CountedReply:
    return CountedReply(
        provider=each.provider,
        model=each.model,
        calls=each.calls,
        reported=each.reported,
        counted=each.counted,
        held=each.held,
        charged=amount(each.charge_ucr),
        unreported=amount(each.unreported_ucr),
        broken=each.broken,
        late=each.late,
        expired=each.expired,
        beyond_holds=amount(each.over_ucr),
    )
