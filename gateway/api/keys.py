"""An account's virtual keys: list, create, change, rotate, revoke. A secret is told once.

A service does so for any account, within its scopes. The holder of a key sees that key; one whose
key *manages* sees and manages all of its own account's. Such a key is made by the operator: it
cannot make another, though it may be rotated, and what it allows a key is never above the plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from gateway.access.changing import until_made
from gateway.access.issuing import possible_key_id
from gateway.access.services import ServiceScope
from gateway.api.key import limit_reply
from gateway.api.key_shapes import (
    ChangeKey,
    CreateKey,
    KeyRow,
    ListKeys,
    MadeKey,
    RotateKey,
)
from gateway.api.limit_shapes import LimitBody, limits_in
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.reading import display_text
from gateway.api.resources import Resources
from gateway.api.shapes import (
    Page,
    Query,
    etag_of,
    moment,
    moment_or_none,
    page_of,
)
from gateway.api.whose import account_of, check_manages, sees
from gateway.errors import BadCall, Forbidden, NotFound
from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.limits import Limit, Scope, raised


def operations(resources: Resources) -> Sequence[Operation]:
    keys = _Keys(resources)
    return (*_reading(keys), *_writing(keys))


def _reading(keys: "_Keys") -> Sequence[Operation]:
    reading = partial(
        Operation, tag="Keys", audience=Audience.KEY_OR_SERVICE, scope=ServiceScope.KEYS_READ
    )
    return (
        reading(
            method="GET",
            path="/keys",
            name="listKeys",
            summary="An account's keys, without their secrets",
            query=ListKeys,
            handler=keys.listed,
            answer=Page[KeyRow],
        ),
        reading(
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
    writing = partial(
        Operation,
        tag="Keys",
        audience=Audience.KEY_OR_SERVICE,
        scope=ServiceScope.KEYS_WRITE,
        changes=True,
    )
    return (
        writing(
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
        writing(
            method="PATCH",
            path="/keys/{key_id}",
            name="changeKey",
            summary="Another name, other models, other limits",
            body=ChangeKey,
            handler=keys.change,
            answer=KeyRow,
            conditional=True,
            errors=(NotFound,),
        ),
        writing(
            method="POST",
            path="/keys/{key_id}/rotate",
            name="rotateKey",
            summary="A new key like this one, which works on during the overlap",
            body=RotateKey,
            handler=keys.rotate,
            answer=MadeKey,
            status=201,
            idempotent=True,
            conditional=True,
            errors=(NotFound,),
        ),
        writing(
            method="DELETE",
            path="/keys/{key_id}",
            name="revokeKey",
            summary="End a key for good, everywhere, within a second",
            handler=keys.revoke,
            answer=KeyRow,
            conditional=True,
            errors=(NotFound,),
        ),
    )


class _Keys:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._keys = resources.keys

    async def listed(self, asked: Asked[Query]) -> Page[KeyRow]:
        known = cast("Asked[ListKeys]", asked)
        keys = await self._keys.keys(account_of(known))
        page, cursor = page_of(
            [key for key in keys if _sees(asked, key)],
            limit=known.query.limit,
            cursor=known.query.cursor,
            place=lambda key: f"{key.created_ms:015d}-{key.key_id}",
        )
        return Page[KeyRow](data=[self._row(key) for key in page], next_cursor=cursor)

    async def get(self, asked: Asked[Query]) -> KeyRow:
        return self._row(await self._key(asked))

    async def create(self, asked: Asked[Query]) -> MadeKey:
        body = asked.body
        assert isinstance(body, CreateKey)
        account_id = await self._account_id(asked, body)
        now_ms = self._resources.ledger.now_ms()
        key, presented = await self._resources.issuing.issue(
            VirtualKey(
                key_id="",
                account_id=account_id,
                digest="",
                name=display_text(body.name, what="A name", param="name"),
                project_id=await self._project_id(asked, account_id, body.project),
                models=tuple(body.models),
                limits=_limits(asked, body.limits),
                manages=body.manages,
                created_ms=now_ms,
                expires_ms=now_ms + body.expires_in_s * 1000 if body.expires_in_s else 0,
            )
        )
        return MadeKey(key=presented, **self._row(key).model_dump())

    async def change(self, asked: Asked[Query]) -> KeyRow:
        body = asked.body
        assert isinstance(body, ChangeKey)
        name = body.name and display_text(body.name, what="A name", param="name")

        def changed(key: VirtualKey) -> VirtualKey:
            return replace(
                key,
                name=key.name if name is None else name,
                models=key.models if body.models is None else tuple(body.models),
                limits=key.limits if body.limits is None else _limits(asked, body.limits),
            )

        return await self._changed(asked, changed)

    async def rotate(self, asked: Asked[Query]) -> MadeKey:
        assert isinstance(asked.body, RotateKey)
        overlap_ms = asked.body.overlap_s * 1000

        async def once() -> tuple[VirtualKey, str] | None:
            key = await self._changeable(asked)
            now_ms = self._resources.ledger.now_ms()
            return await self._resources.issuing.rotate(key, overlap_ms=overlap_ms, now_ms=now_ms)

        key, presented = await until_made(once)
        return MadeKey(key=presented, **self._row(key).model_dump())

    async def revoke(self, asked: Asked[Query]) -> KeyRow:
        return await self._changed(asked, lambda key: replace(key, status=Status.REVOKED))

    async def _changed(
        self, asked: Asked[Query], change: Callable[[VirtualKey], VirtualKey]
    ) -> KeyRow:
        async def once() -> KeyRow | None:
            key = await self._changeable(asked)
            changed = change(key)
            made = changed == key or await self._keys.change_key(key, changed)
            return self._row(changed) if made else None

        return await until_made(once)

    async def _key(self, asked: Asked[Query]) -> VirtualKey:
        key_id = asked.segments["key_id"]
        key = await self._keys.key(key_id) if possible_key_id(key_id) else None
        if key is None or not _sees(asked, key):
            raise NotFound("There is no key of that id.")
        return key

    async def _changeable(self, asked: Asked[Query]) -> VirtualKey:
        check_manages(asked)
        key = await self._key(asked)
        asked.must_match(etag_of(key))
        if key.source == "config":
            raise BadCall("The configuration declares this key: change it there.")
        return key

    async def _account_id(self, asked: Asked[Query], body: CreateKey) -> str:
        if asked.caller is None:
            if not body.account_id:
                raise BadCall("Say whose key it is: account_id.", details={"param": "account_id"})
            if await self._keys.account(body.account_id) is None:
                raise NotFound(f"There is no account {body.account_id!r}.")
            return body.account_id
        check_manages(asked)
        own = asked.caller.account.account_id
        if body.account_id not in ("", own):
            raise NotFound(f"There is no account {body.account_id!r}.")
        if body.manages:
            raise Forbidden(
                "A key that manages others is made by whoever runs the gateway.",
                code="scope_missing",
            )
        return own

    async def _project_id(
        self, asked: Asked[Query], account_id: str, project_id: str | None
    ) -> str:
        own = asked.caller.key.project_id if asked.caller else ""
        wanted = own if project_id is None else project_id
        known = wanted and await self._keys.project(account_id, wanted)
        if wanted and (not known or (own and wanted != own)):
            raise NotFound("The account has no project of that id.", details={"param": "project"})
        return wanted

    def _row(self, key: VirtualKey) -> KeyRow:
        over = 0 < key.expires_ms <= self._resources.ledger.now_ms()
        return KeyRow(
            id=key.key_id,
            account_id=key.account_id,
            name=key.name,
            project=key.project_id or None,
            status="expired" if over and key.status is Status.ACTIVE else key.status.value,
            manages=key.manages,
            models=key.models,
            limits=[limit_reply(limit) for limit in key.limits],
            created_at=moment(key.created_ms),
            expires_at=moment_or_none(key.expires_ms),
            source=key.source,
            etag=etag_of(key),
        )


def _sees(asked: Asked[Query], key: VirtualKey) -> bool:
    return asked.caller is None or sees(asked.caller.key, key)


def _limits(asked: Asked[Query], wished: Sequence[LimitBody]) -> tuple[Limit, ...]:
    limits = limits_in(wished, Scope.KEY)
    above = raised(asked.caller.plan.limits, limits) if asked.caller else None
    if above is not None:
        raise BadCall(
            f"{above.name}: the plan allows each key {above.ceiling} at most.",
            details={"param": "limits"},
        )
    return limits
