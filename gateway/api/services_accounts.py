"""Accounts and their credit, for services: create, list, change; grant; the balance."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from gateway.access.changing import until_made
from gateway.access.services import ServiceScope
from gateway.api.account_shapes import (
    AccountRow,
    ChangeAccount,
    CreateAccount,
    Id,
    ListAccounts,
    account_row,
    external_of,
)
from gateway.api.alerts import alerts_in, check_undeclared
from gateway.api.balance import BalanceReply, balance_reply
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.reading import display_text
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Body, Page, Query, Reply, amount, etag_of, page_of
from gateway.api.whose import account_named
from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.accounts import Account, Status, valid_name
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, GrantKind
from gateway.metering.pricing import AMOUNT_MAX_UCR

Note = Annotated[str, Field(max_length=200)]


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
        Operation,
        tag="Accounts",
        audience=Audience.SERVICE,
        scope=ServiceScope.ACCOUNTS_WRITE,
        changes=True,
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
            summary="Another name, plan or status; who it is at billing systems",
            body=ChangeAccount,
            handler=accounts.change,
            answer=AccountRow,
            conditional=True,
            errors=(NotFound,),
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
        page, cursor = page_of(
            await self._keys.accounts(),
            limit=query.limit,
            cursor=query.cursor,
            place=lambda account: account.account_id,
        )
        return Page[AccountRow](data=[account_row(each) for each in page], next_cursor=cursor)

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
            name=display_text(body.name),
            created_ms=self._resources.ledger.now_ms(),
            anchor_ms=body.anchor_at_ms,
            alerts=None if body.alerts is None else alerts_in(body.alerts),
            external=dict(sorted(body.external.items())),
        )
        await self._resources.accounts.put(account)
        return account_row(account)

    async def get(self, asked: Asked[Query]) -> AccountRow:
        return account_row(await self._account(asked))

    async def change(self, asked: Asked[Query]) -> AccountRow:
        body = asked.body
        assert isinstance(body, ChangeAccount)

        async def once() -> AccountRow | None:
            account = await self._account(asked)
            asked.must_match(etag_of(account))
            changed = self._changed(account, body)
            same = changed == account
            made = same or await self._resources.accounts.change(account, changed)
            return account_row(changed) if made else None

        return await until_made(once)

    def _changed(self, account: Account, body: ChangeAccount) -> Account:
        if body.alerts is not None:
            check_undeclared(self._resources, account)
        if body.plan is not None:
            self._known_plan(body.plan)
            account = account.moved(body.plan, self._resources.ledger.now_ms())
        return replace(
            account,
            name=account.name if body.name is None else display_text(body.name),
            status=account.status if body.status is None else Status(body.status),
            alerts=account.alerts if body.alerts is None else alerts_in(body.alerts),
            external=external_of(account, body),
        )

    async def balance(self, asked: Asked[Query]) -> BalanceReply:
        account = await self._account(asked)
        plan = self._resources.plans.get(account.plan)
        return await balance_reply(self._resources, account, plan)

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
            note=display_text(body.note),
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
        return await account_named(asked.segments["account_id"], self._keys)

    def _known_plan(self, plan: str) -> None:
        if plan not in self._resources.plans:
            raise BadCall(
                f"There is no plan {plan!r} in the configuration.", details={"param": "plan"}
            )
