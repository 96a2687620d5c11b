"""Sinks, for services and operators: how deliveries go, dead letters, sending again, pausing."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from gateway.access.changing import until_made
from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import (
    Amount,
    Body,
    Moment,
    Page,
    Query,
    Reply,
    Tagged,
    amount,
    etag_of,
    moment,
    moment_or_none,
)
from gateway.errors import BadCall, NotFound
from gateway.metering.accounts import valid_name
from gateway.stores.delivering import DeadLetter, Switches

LETTERS_MAX = 1_000
MS_MAX = 10**15
Letter = Annotated[str, Field(pattern="^[0-9]{1,2}:[0-9]{1,15}-[0-9]{1,15}$")]
RequestId = Annotated[str, Field(min_length=1, max_length=128)]


class SinkReply(Tagged):
    """A sink, and how deliveries to it go, over all processes."""

    name: str
    kind: str | None
    """Null: it is no longer configured, and what waits for it stays until it is forgotten."""
    state: str
    """`running`; `failing`: it does not take what is sent, which is tried again ever more rarely;
    `disabled`: it wants nothing more; `paused`; `not_configured`."""
    waiting: int
    """Entries it has not got, of calls and of other movements."""
    lag_s: float
    """How old the oldest of them is."""
    repeats: int
    """To be sent once more."""
    sums: int
    """Made, and on their way."""
    dead_letters: int
    delivered: int
    """Since the sink is known."""
    duplicates: int
    """It had them already."""
    retried: int
    refused: int
    """Became dead letters."""
    last_delivered_at: Moment | None
    last_error: str
    last_error_at: Moment | None
    failing_since: Moment | None


class LetterReply(Reply):
    """What a sink did not take, and why."""

    id: str
    died_at: Moment
    reason: str
    account_id: str
    request_id: str
    """Empty for a sum, which is of many."""
    identifier: str
    """Of a sum."""
    amount: Amount


class LettersQuery(Query):
    cursor: Annotated[str, Field(pattern="^([0-9]{1,2}:[0-9]{1,15}-[0-9]{1,15})?$")] = ""
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=LETTERS_MAX)] = 100


class LettersBody(Body):
    """Which dead letters."""

    ids: Annotated[list[Letter], Field(min_length=1, max_length=LETTERS_MAX)]


class ReplayBody(Body):
    """What to send again: what was charged in that time, or of it those requests only."""

    from_ms: Annotated[int, Field(ge=0, lt=MS_MAX)] = 0
    """Milliseconds since 1970, included."""
    to_ms: Annotated[int, Field(ge=1, lt=MS_MAX)] = MS_MAX - 1
    """Not included."""
    request_ids: Annotated[list[RequestId], Field(default_factory=list, max_length=LETTERS_MAX)]


class DoneReply(Reply):
    """How many of them there were."""

    sink: str
    count: int


def operations(resources: Resources) -> Sequence[Operation]:
    sinks = _Sinks(resources)
    return (*_reading(sinks), *_writing(sinks))


def _reading(sinks: "_Sinks") -> Sequence[Operation]:
    operation = partial(
        Operation,
        method="GET",
        tag="Sinks",
        audience=Audience.SERVICE,
        scope=ServiceScope.SINKS_READ,
    )
    return (
        operation(
            path="/sinks",
            name="listSinks",
            summary="All sinks, and how deliveries to them go",
            handler=sinks.listed,
            answer=Page[SinkReply],
        ),
        operation(
            path="/sinks/{sink}",
            name="getSink",
            summary="A sink, and how deliveries to it go",
            handler=sinks.get,
            answer=SinkReply,
            errors=(NotFound,),
        ),
        operation(
            path="/sinks/{sink}/dead-letters",
            name="listDeadLetters",
            summary="What it did not take, and why",
            query=LettersQuery,
            handler=sinks.dead,
            answer=Page[LetterReply],
            errors=(NotFound,),
        ),
        operation(
            path="/sinks/{sink}/dead-letters/{letter}",
            name="getDeadLetter",
            summary="One of them",
            handler=sinks.letter,
            answer=LetterReply,
            errors=(NotFound,),
        ),
    )


def _writing(sinks: "_Sinks") -> Sequence[Operation]:
    operation = partial(
        Operation,
        method="POST",
        tag="Sinks",
        audience=Audience.SERVICE,
        scope=ServiceScope.SINKS_WRITE,
        changes=True,
        errors=(NotFound,),
    )
    return (
        operation(
            path="/sinks/{sink}/dead-letters/redrive",
            name="redriveDeadLetters",
            summary="Give dead letters to the sink once more; mend the cause first",
            body=LettersBody,
            handler=sinks.redrive,
            answer=DoneReply,
        ),
        operation(
            path="/sinks/{sink}/dead-letters/discard",
            name="discardDeadLetters",
            summary="Forget dead letters for good",
            body=LettersBody,
            handler=sinks.discard,
            answer=DoneReply,
        ),
        operation(
            path="/sinks/{sink}/replay",
            name="replaySink",
            summary="Have settlements sent once more, as far back as the outbox goes",
            body=ReplayBody,
            handler=sinks.replay,
            answer=DoneReply,
            idempotent=True,
        ),
        operation(
            path="/sinks/{sink}/pause",
            name="pauseSink",
            summary="Send nothing to it until it is resumed; it misses nothing",
            handler=sinks.pause,
            answer=SinkReply,
            conditional=True,
        ),
        operation(
            path="/sinks/{sink}/resume",
            name="resumeSink",
            summary="Send again: to one paused or disabled, or at once to one that fails",
            handler=sinks.resume,
            answer=SinkReply,
            conditional=True,
        ),
    )


class _Sinks:
    def __init__(self, resources: Resources) -> None:
        self._exports = resources.exports
        self._now_ms = resources.ledger.now_ms

    async def listed(self, _: Asked[Query]) -> Page[SinkReply]:
        names = {*self._exports.configured, *await self._exports.mending.sinks()}
        return Page[SinkReply](
            data=[await self._told(name) for name in sorted(names)], next_cursor=None
        )

    async def get(self, asked: Asked[Query]) -> SinkReply:
        return await self._told(await self._known(asked))

    async def dead(self, asked: Asked[Query]) -> Page[LetterReply]:
        query = asked.query
        assert isinstance(query, LettersQuery)
        found = await self._exports.mending.dead(
            await self._known(asked), limit=query.limit + 1, after=query.cursor
        )
        page, more = found[: query.limit], len(found) > query.limit
        return Page[LetterReply](
            data=[_letter(each) for each in page], next_cursor=page[-1].name if more else None
        )

    async def letter(self, asked: Asked[Query]) -> LetterReply:
        names = (asked.segments["letter"],)
        found = await self._exports.mending.letters(await self._known(asked), names)
        if not found:
            raise NotFound("The sink has no dead letter of that id.")
        return _letter(found[0])

    async def redrive(self, asked: Asked[Query]) -> DoneReply:
        sink = await self._known(asked)
        letters = await self._letters(asked, sink)
        return DoneReply(sink=sink, count=await self._exports.mending.redrive(sink, letters))

    async def discard(self, asked: Asked[Query]) -> DoneReply:
        sink = await self._known(asked)
        letters = await self._letters(asked, sink)
        return DoneReply(sink=sink, count=await self._exports.mending.discard(sink, letters))

    async def _letters(self, asked: Asked[Query], sink: str) -> Sequence[DeadLetter]:
        assert isinstance(asked.body, LettersBody)
        return await self._exports.mending.letters(sink, dict.fromkeys(asked.body.ids))

    async def replay(self, asked: Asked[Query]) -> DoneReply:
        body, sink = asked.body, await self._known(asked)
        assert isinstance(body, ReplayBody)
        if not body.model_fields_set:
            raise BadCall("Say what to send again: from_ms, to_ms or request_ids.")
        facts = self._exports.configured.get(sink)
        if facts is not None and facts.sums:
            raise BadCall(
                f"{sink} gets sums and could not tell a second sum of the same calls from new "
                "ones. Dead letters can be redriven."
            )
        count = await self._exports.mending.replay(
            sink,
            first_ms=body.from_ms,
            last_ms=body.to_ms - 1,
            requests=frozenset(body.request_ids),
        )
        return DoneReply(sink=sink, count=count)

    async def pause(self, asked: Asked[Query]) -> SinkReply:
        return await self._switched(asked, self._exports.standings.pause)

    async def resume(self, asked: Asked[Query]) -> SinkReply:
        return await self._switched(asked, self._exports.standings.resume)

    async def _switched(
        self, asked: Asked[Query], switch: Callable[[str, Switches], Awaitable[bool]]
    ) -> SinkReply:
        sink = await self._known(asked)

        async def once() -> SinkReply | None:
            switches = (await self._exports.standings.of(sink)).switches
            asked.must_match(etag_of(switches))
            return await self._told(sink) if await switch(sink, switches) else None

        return await until_made(once)

    async def _known(self, asked: Asked[Query]) -> str:
        sink = asked.segments["sink"]
        known = sink in self._exports.configured
        if not known and (not valid_name(sink) or sink not in await self._exports.mending.sinks()):
            raise NotFound("There is no sink of that name.")
        return sink

    async def _told(self, sink: str) -> SinkReply:
        facts = self._exports.configured.get(sink)
        left = await self._exports.deliveries.backlog(sink)
        standing = await self._exports.standings.of(sink)
        lag_ms = max(0, self._now_ms() - left.oldest_ms) if left.oldest_ms else 0
        return SinkReply(
            name=sink,
            kind=facts.kind if facts else None,
            state=standing.state if facts else "not_configured",
            waiting=left.waiting,
            lag_s=lag_ms / 1000,
            repeats=left.repeats,
            sums=left.sums,
            dead_letters=left.dead,
            delivered=standing.delivered,
            duplicates=standing.duplicates,
            retried=standing.retried,
            refused=standing.refused,
            last_delivered_at=moment_or_none(standing.last_delivered_ms),
            last_error=standing.last_error,
            last_error_at=moment_or_none(standing.last_error_ms),
            failing_since=moment_or_none(standing.failing_since_ms),
            etag=etag_of(standing.switches),
        )


def _letter(letter: DeadLetter) -> LetterReply:
    return LetterReply(
        id=letter.name,
        died_at=moment(int(letter.letter_id.partition("-")[0])),
        reason=letter.reason,
        account_id=letter.account_id,
        request_id=letter.request_id,
        identifier=letter.identifier,
        amount=amount(letter.amount_ucr),
    )
