"""A presented key, for services that are asked about it: what it is, and whether it may do this.

Introspection follows RFC 7662: whatever is not a valid key of ours is exactly `{"active": false}`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import FORM, JSON, Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Body, Query, Reply
from gateway.metering.accounts import Caller, Status
from gateway.metering.admission import decimal_credits
from gateway.metering.plans import model_allowed


class TokenBody(Body):
    """A presented key."""

    token: Annotated[str, Field(min_length=1, max_length=4096)]
    token_type_hint: Annotated[str, Field(max_length=64)] = ""
    """Of RFC 7662; there is one type only."""


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
    """`valid`, `invalid_api_key`, `account_inactive`, `project_inactive`, `model_not_allowed` or
    `insufficient_quota`."""
    key_id: str | None = None
    account_id: str | None = None
    available: str | None = None


def operations(resources: Resources) -> Sequence[Operation]:
    keys = _Presented(resources)
    operation = partial(
        Operation, tag="Keys", audience=Audience.SERVICE, scope=ServiceScope.KEYS_READ
    )
    return (
        operation(
            method="POST",
            path="/keys/introspect",
            name="introspectKey",
            summary="What a presented key is (RFC 7662)",
            bodies={FORM: TokenBody, JSON: TokenBody},
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
    )


class _Presented:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

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
        elif caller.project is not None and caller.project.status is not Status.ACTIVE:
            code = "project_inactive"
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

    async def _available(self, caller: Caller) -> str:
        balance = await self._resources.ledger.balance(caller.account.account_id)
        return decimal_credits(balance.available_ucr)


def _allowed(caller: Caller, model: str) -> bool:
    own = caller.key.models
    return model_allowed(caller.plan.models, model) and (not own or model_allowed(own, model))
