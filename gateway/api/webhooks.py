"""Webhook endpoints: where an account's owner, or the operator, is told of notices.

A service manages any account's and the operator's, within its scopes. The holder of a key sees its
account's, and changes them if the key manages. A secret is told once, by the operation that made
it. What an endpoint did not take in about a day stays to be looked at and sent once more.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from gateway.access.changing import until_made
from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Page, Query, etag_of, page_of
from gateway.api.webhook_shapes import (
    ChangeEndpoint,
    CreateEndpoint,
    EndpointReply,
    ListEndpoints,
    ListMessages,
    MadeEndpoint,
    MessageReply,
    RedrivenReply,
    RotateEndpoint,
    endpoint_reply,
    known_types,
    message_reply,
)
from gateway.api.whose import account_named, check_manages, not_own
from gateway.errors import BadCall, NotFound
from gateway.metering.notices import OPERATOR
from gateway.metering.webhooks import ENDPOINTS_MAX, Endpoint

OFF = "switched off"


def operations(resources: Resources) -> Sequence[Operation]:
    webhooks = _Webhooks(resources)
    return (*_reading(webhooks), *_writing(webhooks), *_changing(webhooks))


def _reading(webhooks: "_Webhooks") -> Sequence[Operation]:
    operation = partial(
        Operation,
        method="GET",
        tag="Webhooks",
        audience=Audience.KEY_OR_SERVICE,
        scope=ServiceScope.WEBHOOKS_READ,
    )
    return (
        operation(
            path="/webhooks",
            name="listWebhooks",
            summary="Webhook endpoints, without their secrets",
            query=ListEndpoints,
            handler=webhooks.listed,
            answer=Page[EndpointReply],
        ),
        operation(
            path="/webhooks/{webhook_id}",
            name="getWebhook",
            summary="A webhook endpoint, without its secret",
            handler=webhooks.get,
            answer=EndpointReply,
            errors=(NotFound,),
        ),
        operation(
            path="/webhooks/{webhook_id}/undelivered",
            name="listUndelivered",
            summary="Notices that it did not take, newest first",
            query=ListMessages,
            handler=webhooks.undelivered,
            answer=Page[MessageReply],
            errors=(NotFound,),
        ),
    )


def _writing(webhooks: "_Webhooks") -> Sequence[Operation]:
    operation = partial(
        Operation,
        tag="Webhooks",
        audience=Audience.KEY_OR_SERVICE,
        scope=ServiceScope.WEBHOOKS_WRITE,
        changes=True,
        errors=(NotFound,),
    )
    return (
        operation(
            method="POST",
            path="/webhooks",
            name="createWebhook",
            summary="A new webhook endpoint; its secret is told this once",
            body=CreateEndpoint,
            handler=webhooks.create,
            answer=MadeEndpoint,
            status=201,
            idempotent=True,
        ),
        operation(
            method="POST",
            path="/webhooks/{webhook_id}/redrive",
            name="redriveWebhook",
            summary="Send what it did not take once more",
            handler=webhooks.redrive,
            answer=RedrivenReply,
        ),
    )


def _changing(webhooks: "_Webhooks") -> Sequence[Operation]:
    operation = partial(
        Operation,
        tag="Webhooks",
        audience=Audience.KEY_OR_SERVICE,
        scope=ServiceScope.WEBHOOKS_WRITE,
        conditional=True,
        changes=True,
        errors=(NotFound,),
    )
    return (
        operation(
            method="PATCH",
            path="/webhooks/{webhook_id}",
            name="changeWebhook",
            summary="Another URL, other types, or on and off",
            body=ChangeEndpoint,
            handler=webhooks.change,
            answer=EndpointReply,
        ),
        operation(
            method="POST",
            path="/webhooks/{webhook_id}/rotate",
            name="rotateWebhook",
            summary="A new secret; the old one signs as well during the overlap",
            body=RotateEndpoint,
            handler=webhooks.rotate,
            answer=MadeEndpoint,
            status=201,
            idempotent=True,
        ),
        operation(
            method="DELETE",
            path="/webhooks/{webhook_id}",
            name="deleteWebhook",
            summary="Forget an endpoint, and what is on its way to it",
            handler=webhooks.remove,
            answer=EndpointReply,
        ),
    )


class _Webhooks:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._desk = resources.webhooks
        self._endpoints = resources.webhooks.endpoints

    async def listed(self, asked: Asked[Query]) -> Page[EndpointReply]:
        assert isinstance(asked.query, ListEndpoints)
        page, cursor = page_of(
            await self._endpoints.listed(_whose(asked, asked.query.account_id)),
            limit=asked.query.limit,
            cursor=asked.query.cursor,
            place=lambda endpoint: endpoint.endpoint_id,
        )
        return Page[EndpointReply](data=[endpoint_reply(each) for each in page], next_cursor=cursor)

    async def get(self, asked: Asked[Query]) -> EndpointReply:
        return endpoint_reply(await self._endpoint(asked))

    async def create(self, asked: Asked[Query]) -> MadeEndpoint:
        body = asked.body
        assert isinstance(body, CreateEndpoint)
        check_manages(asked)
        account_id = await self._account_id(asked, body.account_id)
        endpoint = Endpoint(
            endpoint_id=f"we_{secrets.token_hex(8)}",
            account_id=account_id,
            url=self._permitted(body.url),
            types=known_types(body.types),
            created_ms=self._resources.ledger.now_ms(),
        )
        if not await self._endpoints.add(endpoint):
            raise BadCall(f"An account has at most {ENDPOINTS_MAX} endpoints: remove one.")
        return self._made(endpoint)

    async def change(self, asked: Asked[Query]) -> EndpointReply:
        body = asked.body
        assert isinstance(body, ChangeEndpoint)

        def changed(endpoint: Endpoint) -> Endpoint:
            disabled = {"active": "", "disabled": endpoint.disabled or OFF, None: endpoint.disabled}
            return replace(
                endpoint,
                url=endpoint.url if body.url is None else self._permitted(body.url),
                types=endpoint.types if body.types is None else known_types(body.types),
                disabled=disabled[body.status],
            )

        return endpoint_reply(await self._changed(asked, changed))

    async def rotate(self, asked: Asked[Query]) -> MadeEndpoint:
        assert isinstance(asked.body, RotateEndpoint)
        until_ms = self._resources.ledger.now_ms() + asked.body.overlap_s * 1000
        return self._made(await self._changed(asked, lambda each: each.rotated(until_ms)))

    async def undelivered(self, asked: Asked[Query]) -> Page[MessageReply]:
        assert isinstance(asked.query, ListMessages)
        endpoint = await self._endpoint(asked)
        found = await self._desk.queue.dead(endpoint.endpoint_id, limit=asked.query.limit)
        return Page[MessageReply](data=[message_reply(each) for each in found], next_cursor=None)

    async def redrive(self, asked: Asked[Query]) -> RedrivenReply:
        endpoint = await self._changeable(asked)
        found = await self._desk.queue.dead(endpoint.endpoint_id, limit=1000)
        return RedrivenReply(count=await self._desk.queue.redrive(found))

    async def remove(self, asked: Asked[Query]) -> EndpointReply:
        async def once() -> Endpoint | None:
            endpoint = await self._changeable(asked)
            return endpoint if await self._endpoints.remove(endpoint) else None

        return endpoint_reply(await until_made(once))

    async def _endpoint(self, asked: Asked[Query]) -> Endpoint:
        found = await self._endpoints.get(asked.segments["webhook_id"])
        own = asked.caller.account.account_id if asked.caller else None
        if found is None or own not in (None, found.account_id):
            raise NotFound("There is no webhook endpoint of that id.")
        asked.must_match(etag_of(found))
        return found

    async def _changeable(self, asked: Asked[Query]) -> Endpoint:
        check_manages(asked)
        return await self._endpoint(asked)

    async def _changed(
        self, asked: Asked[Query], change: Callable[[Endpoint], Endpoint]
    ) -> Endpoint:
        async def once() -> Endpoint | None:
            endpoint = await self._changeable(asked)
            changed = change(endpoint)
            made = changed == endpoint or await self._endpoints.change(endpoint, changed)
            return changed if made else None

        return await until_made(once)

    async def _account_id(self, asked: Asked[Query], named: str | None) -> str:
        account_id = _whose(asked, named)
        if account_id is None:
            raise BadCall(
                "Say whose notices: account_id, empty for the operator's.",
                details={"param": "account_id"},
            )
        if account_id != OPERATOR:
            await account_named(account_id, self._resources.keys)
        return account_id

    def _permitted(self, url: str) -> str:
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = None
        if not host or not self._desk.poster.permits(url):
            raise BadCall(
                "The URL must lead to a public address, or to a network that the configuration "
                "allows under `webhooks`.",
                details={"param": "url"},
            )
        return url

    def _made(self, endpoint: Endpoint) -> MadeEndpoint:
        facts = endpoint_reply(endpoint).model_dump()
        return MadeEndpoint(**facts, secret=self._desk.secret_of(endpoint))


def _whose(asked: Asked[Query], named: str | None) -> str | None:
    """The account that is meant; None: a service named none."""
    if asked.caller is None:
        return named
    own = asked.caller.account.account_id
    if named not in (None, own):
        raise not_own(own)
    return own
