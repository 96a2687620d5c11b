"""Accounts and their credit, for services: create, list, change; grant; the balance."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.balance import BalanceReply, told
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Body, Moment, Page, Query, Reply, amount, moment
from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.accounts import Account, Status, valid_name
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, GrantKind
from gateway.metering.pricing import AMOUNT_MAX_UCR

Id = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(max_length=200)]
Note = Annotated[str, Field(max_length=200)]
LISTED_MAX = 1_000


class AccountRow(Reply):
    """Who pays."""

    id: str
    name: str
    plan: str
    status: str
    created_at: Moment
    etag: str
    """Send it as `If-Match` with a change: it is refused if somebody else was faster."""


class CreateAccount(Body):
    id: Id
    plan: Id
    name: Name = ""


class ChangeAccount(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    plan: Id | None = None
    status: Literal["active", "suspended", "closed"] | None = None


class ListAccounts(Query):
    cursor: Annotated[str, Field(max_length=64)] = ""
    """The last id of the page before."""
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = 100


class GrantBody(Body):
    """Credit to put in. Under the same id nothing is granted twice."""

    id: Id
    microcredits: Annotated[int, Field(ge=1, le=AMOUNT_MAX_UCR)]
    kind: Literal["prepaid", "allowance", "promo", "correction"] = "prepaid"
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    """Lower burns first; null: the kind's own."""
    effective_at_ms: Annotated[int, Field(ge=0, lt=10**15)] = 0
    """Milliseconds since 1970; 0: at once."""
    expires_at_ms: Annotated[int, Field(ge=0, lt=10**15)] = 0
    """Milliseconds since 1970; 0: never."""
    note: Note = ""


class GrantedReply(Reply):
    """What became of it."""

    id: str
    account_id: str
    amount: Amount
    repeated: bool
    """The same grant was there already, and nothing changed."""
    debt_paid: Amount
    available: Amount


def operations(resources: Resources) -> Sequence[Operation]:
    accounts = _Accounts(resources)
    return (*_reading(accounts), *_writing(accounts))


def _reading(accounts: "_Accounts") -> Sequence[Operation]:
    operation = partial(
        Operation, tag="Accounts", audience=Audience.SERVICE, scope=ServiceScope.ACCOUNTS_READ
    )
    return (
        operation(
            method="GET",
            path="/accounts",
            name="listAccounts",
            summary="All accounts, by id",
            query=ListAccounts,
            handler=accounts.listed,
            answer=Page[AccountRow],
        ),
        operation(
            method="GET",
            path="/accounts/{account_id}",
            name="getAccount",
            summary="An account",
            handler=accounts.get,
            answer=AccountRow,
            errors=(NotFound,),
        ),
        operation(
            method="GET",
            path="/accounts/{account_id}/balance",
            name="getAccountBalance",
            summary="What an account has, and which grant burns next",
            handler=accounts.balance,
            answer=BalanceReply,
            errors=(NotFound,),
        ),
    )


def _writing(accounts: "_Accounts") -> Sequence[Operation]:
    operation = partial(
        Operation, tag="Accounts", audience=Audience.SERVICE, scope=ServiceScope.ACCOUNTS_WRITE
    )
    return (
        operation(
            method="POST",
            path="/accounts",
            name="createAccount",
            summary="A new account, without credit",
            body=CreateAccount,
            handler=accounts.create,
            answer=AccountRow,
            status=201,
            idempotent=True,
            errors=(Conflict,),
        ),
        operation(
            method="PATCH",
            path="/accounts/{account_id}",
            name="changeAccount",
            summary="Another name, plan or status",
            body=ChangeAccount,
            handler=accounts.change,
            answer=AccountRow,
            errors=(NotFound, Conflict),
        ),
        operation(
            method="POST",
            path="/accounts/{account_id}/grants",
            name="grant",
            summary="Put credit in",
            scope=ServiceScope.GRANTS_WRITE,
            body=GrantBody,
            handler=accounts.grant,
            answer=GrantedReply,
            status=201,
            idempotent=True,
            errors=(NotFound, Conflict),
        ),
    )


class _Accounts:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._keys = resources.keys

    async def listed(self, asked: Asked[Query]) -> Page[AccountRow]:
        query = asked.query
        assert isinstance(query, ListAccounts)
        after = [each for each in await self._keys.accounts() if each.account_id > query.cursor]
        page = after[: query.limit]
        more = len(after) > len(page)
        return Page[AccountRow](
            data=[_row(account) for account in page],
            next_cursor=page[-1].account_id if more else None,
        )

    async def create(self, asked: Asked[Query]) -> AccountRow:
        body = asked.body
        assert isinstance(body, CreateAccount)
        self._known_plan(body.plan)
        if not valid_name(body.id):
            raise BadCall(
                "An account id has 1 to 64 letters, digits, '.', '-' or '_'.",
                details={"param": "id"},
            )
        if await self._keys.account(body.id) is not None:
            raise Conflict(f"The account {body.id!r} exists already.")
        account = Account(
            account_id=body.id,
            plan=body.plan,
            name=_display(body.name),
            created_ms=self._resources.ledger.now_ms(),
        )
        await self._keys.put_account(account)
        return _row(account)

    async def get(self, asked: Asked[Query]) -> AccountRow:
        return _row(await self._account(asked))

    async def change(self, asked: Asked[Query]) -> AccountRow:
        body = asked.body
        assert isinstance(body, ChangeAccount)
        account = await self._account(asked)
        if asked.if_match and asked.if_match.strip('"') != _etag(account):
            raise Conflict(
                "The account has changed since you read it. Read it again.",
                code="changed_meanwhile",
            )
        if body.plan is not None:
            self._known_plan(body.plan)
        changed = replace(
            account,
            name=account.name if body.name is None else _display(body.name),
            plan=account.plan if body.plan is None else body.plan,
            status=account.status if body.status is None else Status(body.status),
        )
        await self._keys.put_account(changed)
        return _row(changed)

    async def balance(self, asked: Asked[Query]) -> BalanceReply:
        account = await self._account(asked)
        balance = await self._resources.ledger.balance(account.account_id)
        return told(balance, usd_nanos_per_credit=self._resources.usd_nanos_per_credit)

    async def grant(self, asked: Asked[Query]) -> GrantedReply:
        body = asked.body
        assert isinstance(body, GrantBody)
        account = await self._account(asked)
        if not valid_name(body.id):
            raise BadCall(
                "A grant id has 1 to 64 letters, digits, '.', '-' or '_'.", details={"param": "id"}
            )
        kind = GrantKind(body.kind)
        grant = Grant(
            grant_id=body.id,
            account_id=account.account_id,
            amount_ucr=body.microcredits,
            kind=kind,
            priority=DEFAULT_PRIORITY[kind] if body.priority is None else body.priority,
            effective_ms=body.effective_at_ms,
            expires_ms=body.expires_at_ms,
            note=_display(body.note),
        )
        granted = await self._resources.ledger.grant(grant)
        balance = await self._resources.ledger.balance(account.account_id)
        return GrantedReply(
            id=grant.grant_id,
            account_id=account.account_id,
            amount=amount(grant.amount_ucr),
            repeated=granted.repeated,
            debt_paid=amount(granted.debt_paid_ucr),
            available=amount(balance.available_ucr),
        )

    async def _account(self, asked: Asked[Query]) -> Account:
        account_id = asked.segments["account_id"]
        account = await self._keys.account(account_id) if valid_name(account_id) else None
        if account is None:
            raise NotFound("There is no account of that id.")
        return account

    def _known_plan(self, plan: str) -> None:
        if plan not in self._resources.plans:
            raise BadCall(
                f"There is no plan {plan!r} in the configuration.", details={"param": "plan"}
            )


def _row(account: Account) -> AccountRow:
    return AccountRow(
        id=account.account_id,
        name=account.name,
        plan=account.plan,
        status=account.status,
        created_at=moment(account.created_ms),
        etag=_etag(account),
    )


def _etag(account: Account) -> str:
    """Changes with whatever may be changed."""
    stated = f"{account.plan}\0{account.status}\0{account.name}"
    return hashlib.sha256(stated.encode()).hexdigest()[:16]


def _display(text: str) -> str:
    if not text.isprintable():
        raise BadCall("A name or note has no line breaks or control characters.")
    return text
