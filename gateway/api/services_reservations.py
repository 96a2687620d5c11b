"""Credit held for calls that do not pass the gateway: reserve, extend, settle, release.

A reservation is a hold of the ledger, under an id made of the service, its `Idempotency-Key` and
the account: asked again it is the same hold, whichever process answers. What ends it stands with
the hold, so nothing is lost with a process. One that nobody ends or extends expires, charged to
the usage it last told, or to nothing; what is settled after that is still charged, once.
"""

import hashlib
from collections.abc import Sequence
from functools import partial

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.outside import (
    as_problem,
    ended,
    payer,
    pieces_of,
    refused_as,
    reserve,
    usage_of,
)
from gateway.api.reservation_shapes import (
    ExtendBody,
    ReleasedReply,
    ReservationReply,
    ReserveBody,
    SettleBody,
    SettledReply,
)
from gateway.api.resources import Resources
from gateway.api.shapes import (
    Query,
    amount,
    moment,
)
from gateway.errors import Conflict, Forbidden, GatewayError, NotFound, PaymentRequired
from gateway.metering import admission
from gateway.metering.accounts import valid_name
from gateway.metering.call import TEXT_ONLY
from gateway.metering.ledger import (
    AlreadyEnded,
    Ending,
    Extended,
    HoldState,
    Refused,
    Release,
    Reservation,
    UnknownHold,
)
from gateway.metering.pricing import ModelPrice
from gateway.metering.reservations import (
    Growth,
    Payer,
    Wish,
    extension,
    grown,
    line_of,
    not_priced,
    outside_call,
    settlement,
)
from gateway.metering.usage import NOTHING, Provenance

PREFIX = "rsv"
# Extensions of one reservation that are asked for at once follow each other, up to this many.
RACES_MAX = 5


def operations(resources: Resources) -> Sequence[Operation]:
    reservations = _Reservations(resources)
    return (*_begin(reservations), *_end(reservations))


_operation = partial(
    Operation,
    tag="Reservations",
    audience=Audience.SERVICE,
    scope=ServiceScope.RESERVATIONS_WRITE,
)


def _begin(reservations: "_Reservations") -> Sequence[Operation]:
    return (
        _operation(
            method="POST",
            path="/reservations",
            name="reserve",
            summary="Hold credit for a call that is made elsewhere",
            body=ReserveBody,
            handler=reservations.reserve,
            answer=ReservationReply,
            status=201,
            idempotent=True,
            errors=(Forbidden, NotFound, PaymentRequired),
        ),
        _operation(
            method="GET",
            path="/reservations/{reservation_id}",
            name="getReservation",
            summary="A reservation, up to a day after its end",
            handler=reservations.get,
            answer=ReservationReply,
            errors=(NotFound,),
        ),
        _operation(
            method="POST",
            path="/reservations/{reservation_id}/extend",
            name="extendReservation",
            summary="A sign of life: hold it longer, or more of it",
            body=ExtendBody,
            handler=reservations.extend,
            answer=ReservationReply,
            idempotent=True,
            errors=(NotFound, PaymentRequired),
        ),
    )


def _end(reservations: "_Reservations") -> Sequence[Operation]:
    return (
        _operation(
            method="POST",
            path="/reservations/{reservation_id}/settle",
            name="settleReservation",
            summary="Charge what was used and give the rest back",
            body=SettleBody,
            handler=reservations.settle,
            answer=SettledReply,
            idempotent=True,
            errors=(NotFound, Forbidden),
        ),
        _operation(
            method="POST",
            path="/reservations/{reservation_id}/release",
            name="releaseReservation",
            summary="Give all of it back: nothing was used",
            handler=reservations.release,
            answer=ReleasedReply,
            idempotent=True,
            errors=(NotFound,),
        ),
    )


class _Reservations:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._ledger = resources.ledger

    async def reserve(self, asked: Asked[Query]) -> ReservationReply:
        body = asked.body
        assert isinstance(body, ReserveBody)
        paying = await payer(self._resources, body.account_id, body.key_id)
        paying.check_active(self._ledger.now_ms())
        paying.check_model(body.model)
        line = line_of(
            body.model, routes=self._resources.routes, rate_card=self._resources.rate_card
        )
        call = outside_call(
            body.model,
            price=line.price,
            max_output_tokens=body.max_output_tokens,
            pieces=pieces_of(body.pieces),
        )
        wish = Wish(
            hold_id=_id(asked, paying),
            payer=paying,
            line=line,
            call=call,
            input_tokens=body.input_tokens,
            lease_ms=body.ttl_s * 1000,
            probe=body.dry_run,
        )
        asking = await reserve(self._ledger, wish)
        if isinstance(asking.answer, Refused):
            raise refused_as(asking.answer, wish, asking.ask)
        answer = asking.answer
        return ReservationReply(
            id=None if body.dry_run else wish.hold_id,
            account_id=body.account_id,
            status="fits" if body.dry_run else "held",
            held=amount(answer.held_ucr),
            available=amount(answer.available_ucr),
            expires_at=None if body.dry_run else moment(answer.now_ms + body.ttl_s * 1000),
            rate_version=line.price.version,
        )

    async def get(self, asked: Asked[Query]) -> ReservationReply:
        account_id, hold_id = _named(asked)
        state = await self._state(account_id, hold_id)
        held = state.reservation
        return ReservationReply(
            id=hold_id,
            account_id=account_id,
            status=state.ending or "held",
            held=amount(state.held_ucr),
            available=None,
            expires_at=moment(state.deadline_ms) if state.ending is None else None,
            rate_version=held.owed.event.rate_version if held else None,
        )

    async def extend(self, asked: Asked[Query]) -> ReservationReply:
        body = asked.body
        assert isinstance(body, ExtendBody)
        account_id, hold_id = _named(asked)
        used = NOTHING if body.used is None else usage_of(body.used)
        for _ in range(RACES_MAX):
            state = await self._state(account_id, hold_id)
            if state.ending is not None:
                raise ended(state.ending)
            held, price = self._terms(state)
            growth = grown(held, body.more_output_tokens, price)
            ask = extension(
                growth,
                sequence=state.sequence + 1,
                lease_ms=body.ttl_s * 1000,
                used=used,
                price=price,
            )
            answer = await self._ledger.extend(ask)
            if isinstance(answer, Refused):
                raise _not_extended(answer, growth, price)
            if isinstance(answer, Extended) and not answer.repeated:
                return ReservationReply(
                    id=hold_id,
                    account_id=account_id,
                    status="held",
                    held=amount(answer.held_ucr),
                    available=amount(answer.available_ucr),
                    expires_at=moment(self._ledger.now_ms() + body.ttl_s * 1000),
                    rate_version=held.owed.event.rate_version,
                )
        raise Conflict("The reservation is being extended by others. Ask again shortly.")

    async def settle(self, asked: Asked[Query]) -> SettledReply:
        body = asked.body
        assert isinstance(body, SettleBody)
        account_id, hold_id = _named(asked)
        state = await self._state(account_id, hold_id)
        if state.ending not in (None, Ending.EXPIRED):
            raise ended(state.ending)
        held, price = self._terms(state)
        ask = settlement(
            held,
            usage_of(body.usage),
            price=price,
            provenance=Provenance(body.provenance),
            now_ms=self._ledger.now_ms(),
            held_ucr=state.held_ucr,
        )
        answer = await self._ledger.settle(ask)
        if isinstance(answer, AlreadyEnded):
            raise ended(answer.ending)
        return SettledReply(
            id=hold_id,
            status=Ending.SETTLED,
            late=answer.late,
            charged=amount(answer.charged_ucr),
            released=amount(0 if answer.late else max(0, state.held_ucr - answer.charged_ucr)),
            debt=amount(answer.debt_ucr),
            rate_version=ask.event.rate_version,
        )

    async def release(self, asked: Asked[Query]) -> ReleasedReply:
        account_id, hold_id = _named(asked)
        state = await self._state(account_id, hold_id)
        if state.ending is not None or state.reservation is None:
            raise ended(state.ending or Ending.RELEASED)
        charges = state.reservation.owed.charges
        answer = await self._ledger.release(Release(hold_id, account_id, charges))
        if isinstance(answer, AlreadyEnded):
            raise ended(answer.ending)
        return ReleasedReply(
            id=hold_id, status=Ending.RELEASED, released=amount(answer.returned_ucr)
        )

    async def _state(self, account_id: str, hold_id: str) -> HoldState:
        state = await self._ledger.hold(account_id, hold_id)
        if isinstance(state, UnknownHold):
            raise _no_reservation()
        return state

    def _terms(self, state: HoldState) -> tuple[Reservation, ModelPrice]:
        """What it was reserved under, and the price as it is now."""
        held = state.reservation
        if held is None:
            raise _no_reservation()
        event = held.owed.event
        price = self._resources.rate_card.price(held.priced_as, provider=event.provider)
        if price is None:
            raise not_priced(f"The model {event.model_requested!r}")
        return held, price


def _id(asked: Asked[Query], paying: Payer) -> str:
    """Whoever has it can tell where it is kept: the account is a part of it."""
    assert asked.service is not None, "the dispatcher sees to it"
    name = f"{asked.service.service_id}\0{asked.idempotency_key}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{PREFIX}-{digest}.{paying.account.account_id}"


def _named(asked: Asked[Query]) -> tuple[str, str]:
    """The account and the hold that the path names."""
    hold_id = asked.segments["reservation_id"]
    prefix, _, account_id = hold_id.partition(".")
    if not prefix.startswith(f"{PREFIX}-") or not prefix.isascii() or not valid_name(account_id):
        raise _no_reservation()
    return account_id, hold_id


def _no_reservation() -> NotFound:
    return NotFound("There is no reservation of that id; an ended one is known for a day.")


def _not_extended(refused: Refused, growth: Growth, price: ModelPrice) -> GatewayError:
    held = growth.reservation
    asked = admission.Asked(
        price=price,
        charges=held.owed.charges,
        required_ucr=growth.add_ucr,
        input_tokens=0,
        choices=1,
        terms=TEXT_ONLY,
        streaming=True,
        whole=False,
    )
    return as_problem(refused, asked)
