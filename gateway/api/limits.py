"""GET /limits: where a key stands in each rule it is held to, as the ledger counts it now."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.access.issuing import possible_key_id
from gateway.api.key import LimitReply, limit_reply
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.outside import CLOCK_RETRIES
from gateway.api.resources import Resources
from gateway.api.shapes import Moment, Query, Reply, moment, moment_or_none
from gateway.api.whose import sees
from gateway.errors import NotFound, StoreUnavailable
from gateway.metering.accounts import Caller
from gateway.metering.ledger import Refused, Reserve, Reserved
from gateway.metering.limits import Charge, Need, charges_for
from gateway.stores.base import Ledger

NOTHING = Need(least_ucr=0, full_ucr=0, least_tokens=0, full_tokens=0)
# Of a call that is never made: what is only asked about holds nothing.
PROBE_ID, PROBE_LEASE_MS = "probe", 1_000


class StandingReply(LimitReply):
    """A rule, and how much of it is left in this window, running calls counted."""

    remaining: int
    resets_at: Moment | None
    """When the window ends, UTC; null for parallel calls."""


class LimitsReply(Reply):
    """All rules that calls of this key are held to."""

    as_of: Moment
    data: Sequence[StandingReply]


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_limits(asked: Asked[Query]) -> LimitsReply:
        return await _told(resources.ledger, asked.holder)

    async def get_limits_of(asked: Asked[Query]) -> LimitsReply:
        holder, key_id = asked.holder, asked.segments["key_id"]
        key = await resources.keys.key(key_id) if possible_key_id(key_id) else None
        if key is None or not sees(holder.key, key):
            raise NotFound("There is no key of that id.")
        return await _told(resources.ledger, replace(holder, key=key))

    return (
        Operation(
            method="GET",
            path="/keys/{key_id}/limits",
            name="getKeyLimits",
            summary="Where a key that this one manages stands in each of its limits",
            tag="Keys",
            audience=Audience.KEY,
            handler=get_limits_of,
            answer=LimitsReply,
            errors=(NotFound,),
        ),
        Operation(
            method="GET",
            path="/limits",
            name="getLimits",
            summary="Where this key stands in each of its limits",
            tag="Self-service",
            audience=Audience.KEY,
            handler=get_limits,
            answer=LimitsReply,
        ),
    )


async def _told(ledger: Ledger, holder: Caller) -> LimitsReply:
    charges, answer = await _standing(ledger, holder)
    return LimitsReply(
        as_of=moment(answer.now_ms),
        data=[
            StandingReply(
                **limit_reply(charge.limit).model_dump(),
                remaining=room,
                resets_at=moment_or_none(charge.resets_ms),
            )
            for charge, room in zip(charges, answer.rooms, strict=True)
        ],
    )


async def _standing(ledger: Ledger, holder: Caller) -> tuple[Sequence[Charge], Reserved | Refused]:
    whose = holder.whose
    for _ in range(CLOCK_RETRIES):
        now_ms = ledger.now_ms()
        charges = charges_for(holder.limits, NOTHING, whose=whose, now_ms=now_ms)
        answer = await ledger.reserve(
            Reserve(
                hold_id=PROBE_ID,
                account_id=whose.account_id,
                key_id=whose.key_id,
                least_ucr=0,
                full_ucr=0,
                charges=tuple(map(_asked_only, charges)),
                lease_ms=PROBE_LEASE_MS,
                now_ms=now_ms,
                observe=True,
                probe=True,
            )
        )
        if isinstance(answer, Reserved | Refused):
            return charges, answer
    raise StoreUnavailable("The ledger's clock is not steady. Try again shortly.", retry_after_s=1)


def _asked_only(charge: Charge) -> Charge:
    return Charge(
        limit=charge.limit,
        bucket=charge.bucket,
        least=0,
        full=0,
        resets_ms=charge.resets_ms,
        expires_ms=charge.expires_ms,
    )
