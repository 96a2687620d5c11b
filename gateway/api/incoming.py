"""POST /incoming/{name}: payments and refunds, as payment systems tell them, become credit.

Each payment is one grant and each refunded one a correction, under ids made of the payment's own:
told again, or in another order, nothing changes. Nothing is taken that is not signed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import orjson

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply
from gateway.errors import BadCall, Conflict, Forbidden, GatewayError, NotFound, Unprocessable
from gateway.incoming import READERS
from gateway.incoming.base import Payment, Source, microcredits
from gateway.metering.accounts import valid_name
from gateway.metering.ledger import Correct, Grant
from gateway.metering.pricing import AMOUNT_MAX_UCR

_ID = re.compile(r"[A-Za-z0-9._-]{1,120}")
Result = Literal["granted", "corrected", "repeated", "ignored"]


class IncomingReply(Reply):
    """What became of an event."""

    result: Result
    """`ignored`: it brings no money."""


def operations(resources: Resources) -> Sequence[Operation]:
    return (
        Operation(
            method="POST",
            path="/incoming/{name}",
            name="receivePayment",
            summary="A signed event of a payment system that the configuration names",
            tag="Payments",
            audience=Audience.ANYBODY,
            raw=True,
            handler=_Incoming(resources).receive,
            answer=IncomingReply,
            errors=(NotFound, Forbidden, Unprocessable),
        ),
    )


class _Incoming:
    def __init__(self, resources: Resources) -> None:
        self._sources: Mapping[str, Source] = resources.incoming
        self._ledger = resources.ledger
        self._keys = resources.keys
        self._received: Callable[[str, str], None] = resources.on_incoming

    async def receive(self, asked: Asked[Query]) -> IncomingReply:
        source = self._sources.get(asked.segments["name"])
        if source is None or not source.secrets:
            raise NotFound("No payment system of that name is configured.")
        try:
            result = await self._taken(source, asked)
        except GatewayError:
            self._received(source.name, "refused")
            raise
        self._received(source.name, result)
        return IncomingReply(result=result)

    async def _taken(self, source: Source, asked: Asked[Query]) -> Result:
        reader, now_s = READERS[source.kind], self._ledger.now_ms() / 1000
        if not reader.signed(source, asked.headers, asked.content, now_s=now_s):
            raise Forbidden("The event is not signed as it should be.", code="signature_invalid")
        try:
            event = orjson.loads(asked.content)
        except orjson.JSONDecodeError:
            raise BadCall("The body is not valid UTF-8 JSON.") from None
        payment = reader.read(source, event) if isinstance(event, dict) else None
        if payment is None or payment.money == 0:
            return "ignored"
        if not _ID.fullmatch(payment.payment_id):
            raise BadCall("The event does not say which payment it is of.")
        amount_ucr = microcredits(payment, source)
        if amount_ucr > AMOUNT_MAX_UCR:
            raise BadCall("That is more than the ledger can count (2^53 microcredits).")
        account_id = await self._account_id(payment, source)
        return await self._booked(payment, source, account_id, amount_ucr)

    async def _booked(
        self, payment: Payment, source: Source, account_id: str, amount_ucr: int
    ) -> Result:
        if payment.refund:
            corrected = await self._ledger.correct(
                Correct(
                    correction_id=f"{source.name}-refund-{payment.payment_id}",
                    account_id=account_id,
                    amount_ucr=amount_ucr,
                    note=source.name,
                    grows=True,
                )
            )
            return "repeated" if corrected.repeated else "corrected"
        lasts_ms = source.expires_ms
        grant = Grant(
            grant_id=f"{source.name}-{payment.payment_id}",
            account_id=account_id,
            amount_ucr=amount_ucr,
            expires_ms=self._ledger.now_ms() + lasts_ms if lasts_ms else 0,
            note=source.name,
        )
        try:
            granted = await self._ledger.grant(grant)
        except Conflict:
            # Told before, when the rate was another, or some time ago: the first one stands.
            return "repeated"
        return "repeated" if granted.repeated else "granted"

    async def _account_id(self, payment: Payment, source: Source) -> str:
        """Refused if there is none: a payment system asks again for days, and somebody can see to
        it meanwhile."""
        account_id = payment.account_id or source.accounts.get(payment.customer, "")
        if not account_id and payment.customer and source.customers:
            # Payments are rare: looking through all accounts costs less than an index to keep.
            for account in await self._keys.accounts():
                if account.external.get(source.customers) == payment.customer:
                    account_id = account.account_id
        known = valid_name(account_id) and await self._keys.account(account_id) is not None
        if not known:
            raise Unprocessable(
                "It cannot be told whose payment that is. Give the account its external id, or the "
                "payment the metadata `tollkeeper_account`.",
                code="payer_unknown",
            )
        return account_id
