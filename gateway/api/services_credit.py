"""Credit taken back: grants voided, balances corrected. Forward only: the past stays as it was."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import Field, field_validator

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Body, Query, Reply, amount
from gateway.api.whose import account_named
from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.accounts import valid_name
from gateway.metering.ledger import Correct, Grant, GrantKind, VoidGrant
from gateway.metering.pricing import AMOUNT_MAX_UCR

Id = Annotated[str, Field(min_length=1, max_length=64)]


class VoidedReply(Reply):
    """What became of a grant."""

    id: str
    account_id: str
    voided: Amount
    """What was free of it until now. What running calls hold follows as they end."""
    repeated: bool
    """It was void already."""


class CorrectionBody(Body):
    """Under the same id nothing is corrected twice."""

    id: Id
    """Not that of a grant."""
    microcredits: Annotated[int, Field(ge=-AMOUNT_MAX_UCR, le=AMOUNT_MAX_UCR)]
    """Below 0: taken back, in burn order, and what no credit covers becomes debt. Above 0: a grant
    of the kind `correction`."""
    note: Annotated[str, Field(max_length=200)] = ""

    @field_validator("microcredits")
    @classmethod
    def _something(cls, ucr: int) -> int:
        if ucr == 0:
            raise ValueError("0 corrects nothing")
        return ucr


class CorrectedReply(Reply):
    """What became of it."""

    id: str
    account_id: str
    repeated: bool
    """It was applied before, and nothing changed."""
    given: Amount
    taken: Amount
    debt: Amount
    """What no credit covered."""
    available: Amount


def operations(resources: Resources) -> Sequence[Operation]:
    credit = _Credit(resources)
    operation = partial(
        Operation,
        tag="Accounts",
        audience=Audience.SERVICE,
        scope=ServiceScope.GRANTS_WRITE,
        changes=True,
    )
    return (
        operation(
            method="POST",
            path="/accounts/{account_id}/grants/{grant_id}/void",
            name="voidGrant",
            summary="Take back what is left of a grant",
            handler=credit.void,
            answer=VoidedReply,
            idempotent=True,
            errors=(NotFound,),
        ),
        operation(
            method="POST",
            path="/accounts/{account_id}/corrections",
            name="correct",
            summary="Give or take back credit, as a movement of its own",
            body=CorrectionBody,
            handler=credit.correct,
            answer=CorrectedReply,
            status=201,
            idempotent=True,
            errors=(NotFound, Conflict),
        ),
    )


class _Credit:
    def __init__(self, resources: Resources) -> None:
        self._keys = resources.keys
        self._ledger = resources.ledger

    async def void(self, asked: Asked[Query]) -> VoidedReply:
        account_id, grant_id = await self._account_id(asked), asked.segments["grant_id"]
        if not valid_name(grant_id):
            raise NotFound("The account has no grant of that id.")
        answer = await self._ledger.void_grant(VoidGrant(grant_id, account_id))
        return VoidedReply(
            id=grant_id,
            account_id=account_id,
            voided=amount(answer.voided_ucr),
            repeated=answer.repeated,
        )

    async def correct(self, asked: Asked[Query]) -> CorrectedReply:
        body = asked.body
        assert isinstance(body, CorrectionBody)
        account_id = await self._account_id(asked)
        if not valid_name(body.id) or not body.note.isprintable():
            raise BadCall(
                "An id has 1 to 64 letters, digits, '.', '-' or '_'; a note no line breaks.",
                details={"param": "id"},
            )
        given, taken, debt, repeated = await self._corrected(body, account_id)
        balance = await self._ledger.balance(account_id)
        return CorrectedReply(
            id=body.id,
            account_id=account_id,
            repeated=repeated,
            given=amount(given),
            taken=amount(taken),
            debt=amount(debt),
            available=amount(balance.available_ucr),
        )

    async def _corrected(self, body: CorrectionBody, account_id: str) -> tuple[int, int, int, bool]:
        """Given, taken, made debt; whether it was a repetition."""
        if body.microcredits > 0:
            granted = await self._ledger.grant(
                Grant(
                    grant_id=body.id,
                    account_id=account_id,
                    amount_ucr=body.microcredits,
                    kind=GrantKind.CORRECTION,
                    note=body.note,
                )
            )
            return 0 if granted.repeated else body.microcredits, 0, 0, granted.repeated
        corrected = await self._ledger.correct(
            Correct(
                correction_id=body.id,
                account_id=account_id,
                amount_ucr=-body.microcredits,
                note=body.note,
            )
        )
        return 0, corrected.taken_ucr, corrected.debt_ucr, corrected.repeated

    async def _account_id(self, asked: Asked[Query]) -> str:
        return (await account_named(asked.segments["account_id"], self._keys)).account_id
