"""Virtual keys for services: introspect and verify, create, list, change, rotate, revoke.

Introspection follows RFC 7662: whatever is not a valid key of ours is exactly `{"active": false}`.
A secret is told once, by the operation that made it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from gateway.access.issuing import possible_key_id
from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import (
    Body,
    Moment,
    Page,
    Query,
    Reply,
    moment,
    moment_or_none,
)
from gateway.errors import BadCall, NotFound
from gateway.metering.accounts import Account, Caller, Status, VirtualKey
from gateway.metering.admission import decimal_credits
from gateway.metering.plans import model_allowed

Name = Annotated[str, Field(max_length=200)]
Glob = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
DAY_S = 86_400


class TokenBody(Body):
    """A presented key."""

    token: Annotated[str, Field(min_length=1, max_length=4096)]


class Introspection(Reply):
    """RFC 7662. Nothing but `active` unless it is true."""

    leaves_out_null = True

    active: bool
    sub: str | None = None
    """The account."""
    client_id: str | None = None
    """The key's id."""
    scope: str | None = None
    """Model globs it may use, space-separated."""
    exp: int | None = None
    """Seconds since 1970; null for never."""
    token_type: str | None = None
    available: str | None = None
    """What the account can spend now, in credits."""


class VerifyBody(Body):
    """One question: may this key make such a call now?"""

    key: Annotated[str, Field(min_length=1, max_length=4096)]
    model: Annotated[str, Field(max_length=256)] | None = None


class Verdict(Reply):
    """One decision."""

    valid: bool
    code: str
    """`valid`, `invalid_api_key`, `account_inactive`, `model_not_allowed` or
    `insufficient_quota`."""
    key_id: str | None = None
    account_id: str | None = None
    available: str | None = None


class KeyRow(Reply):
    """A key, without its secret."""

    id: str
    account_id: str
    name: str
    status: str
    models: Sequence[str]
    created_at: Moment
    expires_at: Moment | None
    source: str
    """`config` for keys that the configuration declares: those change there only."""


class MadeKey(KeyRow):
    """A key and its secret, which is never told again."""

    key: str


class CreateKey(Body):
    account_id: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    models: Annotated[list[Glob], Field(default_factory=list, max_length=100)]
    """Globs; none: whatever the plan allows."""
    expires_in_s: Annotated[int, Field(ge=1, le=36_500 * DAY_S)] | None = None


class ChangeKey(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    models: Annotated[list[Glob], Field(max_length=100)] | None = None


class RotateKey(Body):
    overlap_s: Annotated[int, Field(ge=0, le=365 * DAY_S)] = DAY_S
    """How long the old key works on."""


class ListKeys(Query):
    account_id: Annotated[str, Field(min_length=1, max_length=64)]


def operations(resources: Resources) -> Sequence[Operation]:
    keys = _Keys(resources)
    return (*_reading(keys), *_writing(keys))


def _reading(keys: "_Keys") -> Sequence[Operation]:
    operation = partial(
        Operation, tag="Keys", audience=Audience.SERVICE, scope=ServiceScope.KEYS_READ
    )
    return (
        operation(
            method="POST",
            path="/keys/introspect",
            name="introspectKey",
            summary="What a presented key is (RFC 7662)",
            body=TokenBody,
            handler=keys.introspect,
            answer=Introspection,
        ),
        operation(
            method="POST",
            path="/keys/verify",
            name="verifyKey",
            summary="Whether a key may make a call now",
            body=VerifyBody,
            handler=keys.verify,
            answer=Verdict,
        ),
        operation(
            method="GET",
            path="/keys",
            name="listKeys",
            summary="An account's keys, without their secrets",
            query=ListKeys,
            handler=keys.listed,
            answer=Page[KeyRow],
        ),
        operation(
            method="GET",
            path="/keys/{key_id}",
            name="getKeyById",
            summary="A key, without its secret",
            handler=keys.get,
            answer=KeyRow,
            errors=(NotFound,),
        ),
    )


def _writing(keys: "_Keys") -> Sequence[Operation]:
    operation = partial(
        Operation, tag="Keys", audience=Audience.SERVICE, scope=ServiceScope.KEYS_WRITE
    )
    return (
        operation(
            method="POST",
            path="/keys",
            name="createKey",
            summary="A new key; its secret is told this once",
            body=CreateKey,
            handler=keys.create,
            answer=MadeKey,
            status=201,
            idempotent=True,
            errors=(NotFound,),
        ),
        operation(
            method="PATCH",
            path="/keys/{key_id}",
            name="changeKey",
            summary="Another name, or other models",
            body=ChangeKey,
            handler=keys.change,
            answer=KeyRow,
            errors=(NotFound,),
        ),
        operation(
            method="POST",
            path="/keys/{key_id}/rotate",
            name="rotateKey",
            summary="A new key like this one, which works on during the overlap",
            body=RotateKey,
            handler=keys.rotate,
            answer=MadeKey,
            status=201,
            idempotent=True,
            errors=(NotFound,),
        ),
        operation(
            method="DELETE",
            path="/keys/{key_id}",
            name="revokeKey",
            summary="End a key for good, everywhere, within a second",
            handler=keys.revoke,
            answer=KeyRow,
            errors=(NotFound,),
        ),
    )


class _Keys:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._keys = resources.keys

    async def introspect(self, asked: Asked[Query]) -> Introspection:
        assert isinstance(asked.body, TokenBody)
        caller = await self._resources.authentication.known(asked.body.token)
        if caller is None or caller.account.status is not Status.ACTIVE:
            return Introspection(active=False)
        key = caller.key
        return Introspection(
            active=True,
            sub=key.account_id,
            client_id=key.key_id,
            scope=" ".join(key.models or caller.plan.models),
            exp=key.expires_ms // 1000 or None,
            token_type="virtual_key",  # noqa: S106  a kind, no secret
            available=await self._available(caller),
        )

    async def verify(self, asked: Asked[Query]) -> Verdict:
        assert isinstance(asked.body, VerifyBody)
        caller = await self._resources.authentication.known(asked.body.key)
        if caller is None:
            return Verdict(valid=False, code="invalid_api_key")
        balance = await self._resources.ledger.balance(caller.account.account_id)
        code = "valid"
        if caller.account.status is not Status.ACTIVE:
            code = "account_inactive"
        elif asked.body.model is not None and not _allowed(caller, asked.body.model):
            code = "model_not_allowed"
        elif balance.available_ucr <= 0 and not caller.plan.observes:
            code = "insufficient_quota"
        return Verdict(
            valid=code == "valid",
            code=code,
            key_id=caller.key.key_id,
            account_id=caller.account.account_id,
            available=decimal_credits(balance.available_ucr),
        )

    async def listed(self, asked: Asked[Query]) -> Page[KeyRow]:
        assert isinstance(asked.query, ListKeys)
        keys = await self._keys.keys(asked.query.account_id)
        return Page[KeyRow](data=[KeyRow(**self._facts(key)) for key in keys], next_cursor=None)

    async def create(self, asked: Asked[Query]) -> MadeKey:
        body = asked.body
        assert isinstance(body, CreateKey)
        account = await self._account(body.account_id)
        now_ms = self._resources.ledger.now_ms()
        expires_ms = now_ms + body.expires_in_s * 1000 if body.expires_in_s else 0
        template = VirtualKey(
            key_id="",
            account_id=account.account_id,
            digest="",
            name=_display(body.name),
            models=tuple(body.models),
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
        key, presented = await self._resources.issuing.issue(template)
        return MadeKey(key=presented, **self._facts(key))

    async def get(self, asked: Asked[Query]) -> KeyRow:
        return KeyRow(**self._facts(await self._key(asked)))

    async def change(self, asked: Asked[Query]) -> KeyRow:
        body = asked.body
        assert isinstance(body, ChangeKey)
        key = await self._changeable(asked)
        changed = replace(
            key,
            name=key.name if body.name is None else _display(body.name),
            models=key.models if body.models is None else tuple(body.models),
        )
        await self._keys.put_key(changed)
        return KeyRow(**self._facts(changed))

    async def rotate(self, asked: Asked[Query]) -> MadeKey:
        assert isinstance(asked.body, RotateKey)
        key, presented = await self._resources.issuing.rotate(
            await self._changeable(asked),
            overlap_ms=asked.body.overlap_s * 1000,
            now_ms=self._resources.ledger.now_ms(),
        )
        return MadeKey(key=presented, **self._facts(key))

    async def revoke(self, asked: Asked[Query]) -> KeyRow:
        key = await self._changeable(asked)
        await self._keys.set_key_status(key.key_id, Status.REVOKED)
        return KeyRow(**self._facts(replace(key, status=Status.REVOKED)))

    async def _key(self, asked: Asked[Query]) -> VirtualKey:
        key_id = asked.segments["key_id"]
        key = await self._keys.key(key_id) if possible_key_id(key_id) else None
        if key is None:
            raise NotFound("There is no key of that id.")
        return key

    async def _changeable(self, asked: Asked[Query]) -> VirtualKey:
        key = await self._key(asked)
        if key.source == "config":
            raise BadCall("The configuration declares this key: change it there.")
        return key

    async def _account(self, account_id: str) -> Account:
        account = await self._keys.account(account_id)
        if account is None:
            raise NotFound(f"There is no account {account_id!r}.")
        return account

    async def _available(self, caller: Caller) -> str:
        balance = await self._resources.ledger.balance(caller.account.account_id)
        return decimal_credits(balance.available_ucr)

    def _facts(self, key: VirtualKey) -> dict[str, Any]:
        over = 0 < key.expires_ms <= self._resources.ledger.now_ms()
        return {
            "id": key.key_id,
            "account_id": key.account_id,
            "name": key.name,
            "status": "expired" if over and key.status is Status.ACTIVE else key.status.value,
            "models": key.models,
            "created_at": moment(key.created_ms),
            "expires_at": moment_or_none(key.expires_ms),
            "source": key.source,
        }


def _allowed(caller: Caller, model: str) -> bool:
    own = caller.key.models
    return model_allowed(caller.plan.models, model) and (not own or model_allowed(own, model))


def _display(name: str) -> str:
    if not name.isprintable():
        raise BadCall("A name has no line breaks or control characters.", details={"param": "name"})
    return name
