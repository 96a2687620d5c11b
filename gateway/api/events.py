"""GET /events: what happens to an account, while it happens, as server-sent events.

A stream begins with the balance and tells it again whenever it differs, holds included; between
that come the notices of what the ledger wrote, each with an id. Whoever was cut off asks again
with the last id it saw (`Last-Event-ID`, as browsers do) and gets what it missed; `gap` says that
this was too long ago, and figures must be read anew.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated

import orjson
from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.feed import Heard
from gateway.api.operation import Asked, Audience, EventStream, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.errors import BadCall
from gateway.metering.accounts import Caller
from gateway.metering.balance import Balance
from gateway.metering.happenings import happening_of
from gateway.metering.journal import Position
from gateway.metering.records import rfc3339

MEDIA = "text/event-stream"
# How soon a hold shows, and a revoked key is noticed.
LOOK_S = 1.0
# Proxies cut what is silent for a minute; and only by writing it shows that a client left.
HEARTBEAT_LOOKS = 10
# Clients wait so long before they connect again.
RETRY_MS = 2000
EVENT_ID = re.compile(r"([0-9]{1,15}-[0-9]{1,15})(\.[0-9]{1,2})?")
HEARTBEAT = b":\n\n"


class EventsQuery(Query):
    """Where to go on."""

    last_event_id: Annotated[str, Field(max_length=40)] = ""
    """For clients that cannot set the header `Last-Event-ID`, which does the same."""


class AllEventsQuery(EventsQuery):
    """Whose, and where to go on."""

    account_id: Annotated[str, Field(max_length=64)] = ""
    """Only this account's; without it, all accounts' and what concerns none."""


class BalanceNow(Reply):
    """The data of a `balance` event."""

    as_of: Moment
    account_id: str
    available: Amount
    held: Amount
    debt: Amount
    charged: Amount
    running_calls: int


def operations(resources: Resources) -> Sequence[Operation]:
    streams = _Streams(resources)
    return (
        Operation(
            method="GET",
            path="/events",
            name="streamEvents",
            summary="What happens to the account, while it happens (server-sent events)",
            tag="Self-service",
            audience=Audience.KEY,
            handler=streams.own,
            query=EventsQuery,
            media=(MEDIA,),
        ),
    )


def admin_operations(resources: Resources) -> Sequence[Operation]:
    streams = _Streams(resources)
    return (
        Operation(
            method="GET",
            path="/events",
            name="streamAllEvents",
            summary="What happens to all accounts, or one, while it happens (server-sent events)",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=streams.all,
            query=AllEventsQuery,
            media=(MEDIA,),
        ),
    )


class _Streams:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def own(self, asked: Asked[Query]) -> EventStream:
        caller = asked.holder
        return self._stream(asked, caller.account.account_id, caller)

    async def all(self, asked: Asked[Query]) -> EventStream:
        assert isinstance(asked.query, AllEventsQuery)
        return self._stream(asked, asked.query.account_id or None, None)

    def _stream(
        self, asked: Asked[Query], account_id: str | None, caller: Caller | None
    ) -> EventStream:
        assert isinstance(asked.query, EventsQuery)
        after = _position(asked.last_event_id or asked.query.last_event_id)
        # Whoever is refused is told so now, not in the midst of an answer.
        self._resources.feed.admit(account_id)
        return EventStream(self._parts(account_id, after, caller))

    async def _parts(
        self, account_id: str | None, after: Position | None, caller: Caller | None
    ) -> AsyncGenerator[bytes, None]:
        feed = self._resources.feed
        listener = feed.listen(account_id)
        balances = _Balances(self._resources, account_id)
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            if told := await balances.changed():
                yield told
            if after is not None:
                async with aclosing(feed.missed(listener, after)) as missed:
                    async for page in missed:
                        yield b"".join(map(_told, page)) or self._gap()
            silent = 0
            while listener.ended is None and await self._still(caller):
                heard = await listener.next(timeout_s=LOOK_S)
                part = b"".join(map(_told, heard)) + await balances.changed()
                silent = 0 if part else silent + 1
                if part or silent % HEARTBEAT_LOOKS == 0:
                    yield part or HEARTBEAT
            yield _framed("end", {"reason": listener.ended or "key_revoked"})
        finally:
            feed.leave(listener)

    async def _still(self, caller: Caller | None) -> bool:
        return caller is None or await self._resources.authentication.still(caller)

    def _gap(self) -> bytes:
        now = rfc3339(self._resources.ledger.now_ms())
        return _framed("gap", {"type": "gap", "timestamp": now, "data": {}})


class _Balances:
    """One account's, told when it differs from what was told last; nothing for all accounts."""

    def __init__(self, resources: Resources, account_id: str | None) -> None:
        self._ledger = resources.ledger
        self._account_id = account_id
        self._known: tuple[int, ...] = ()

    async def changed(self) -> bytes:
        if self._account_id is None:
            return b""
        balance = await self._ledger.balance(self._account_id)
        figures = (
            balance.available_ucr,
            balance.held_ucr,
            balance.overdraft_held_ucr,
            balance.debt_ucr,
            balance.running_calls,
            balance.charged_ucr,
        )
        if figures == self._known:
            return b""
        self._known = figures
        return _framed("balance", balance_now(balance).model_dump())


def balance_now(balance: Balance) -> BalanceNow:
    return BalanceNow(
        as_of=moment(balance.now_ms),
        account_id=balance.account_id,
        available=amount(balance.available_ucr),
        held=amount(balance.held_ucr + balance.overdraft_held_ucr),
        debt=amount(balance.debt_ucr),
        charged=amount(balance.charged_ucr),
        running_calls=balance.running_calls,
    )


def _told(heard: Heard) -> bytes:
    happening = happening_of(heard.entry)
    place = f"{happening.entry_id}.{heard.shard}"
    return _framed(happening.type, happening.document(), place=place)


def _framed(kind: str, document: object, *, place: str = "") -> bytes:
    head = f"id: {place}\nevent: {kind}\n" if place else f"event: {kind}\n"
    return b"%bdata: %b\n\n" % (head.encode(), orjson.dumps(document))


def _position(event_id: str) -> Position | None:
    """Raises BadCall for an id that is none of ours."""
    if not event_id:
        return None
    known = EVENT_ID.fullmatch(event_id)
    if known is None:
        raise BadCall("Last-Event-ID is none of this stream's: send the last `id` you got.")
    return Position(entry_id=known[1])
