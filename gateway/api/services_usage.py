"""POST /usage/events: usage that was measured elsewhere, charged as calls of ours are.

CloudEvents in structured mode, one or up to a thousand together; each is judged by itself. A
settlement without a hold charges it, under an id made of the event's source and id, so that the
same event of an account is charged once. The ledger knows that for a day: an event older than that
is refused, for nobody could tell any more whether it was charged.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.outside import AccountId, KeyId, ModelName, Told, UsageBody, payer, usage_of
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Body, Query, Reply, amount
from gateway.errors import BadCall, GatewayError
from gateway.metering.ledger import AlreadyEnded, Settle
from gateway.metering.limits import Need, charges_for
from gateway.metering.reservations import Payer, begun, line_of, settled
from gateway.metering.usage import Provenance

ONE = "application/cloudevents+json"
MANY = "application/cloudevents-batch+json"
TYPE = "com.tollkeeper.usage.v1"
EVENTS_MAX = 1000
# Sent to the ledger together: a few milliseconds of it, so that running calls hardly wait.
AT_ONCE = 50
# The ledger knows for a day what it settled. An event may be told this long after its time, and
# its clock may run this much before ours: the sum stays below a day.
AGE_MAX_MS = 23 * 3_600_000
AHEAD_MAX_MS = 300_000


class UsageData(Body):
    """What a call used, and who pays for it besides the account."""

    model: ModelName
    key_id: KeyId | None = None
    usage: UsageBody
    provenance: Told = "reported"


class UsageCloudEvent(BaseModel):
    """CloudEvents 1.0, with whatever extensions."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    specversion: Literal["1.0"]
    type: Literal["com.tollkeeper.usage.v1"]
    source: Annotated[str, Field(min_length=1, max_length=1024)]
    id: Annotated[str, Field(min_length=1, max_length=256)]
    """With the source, what makes it one event however often it is sent."""
    subject: AccountId
    """The account."""
    time: Annotated[str, Field(max_length=64, examples=["2026-11-26T10:15:07.250Z"])]
    """When it was used; RFC 3339."""
    datacontenttype: Literal["application/json"] | None = None
    data: UsageData


# What is no such event is refused by itself, not with all the others.
Sent = UsageCloudEvent | dict[str, Any]


class OneEvent(RootModel[Sent]):
    """A usage event."""


class ManyEvents(RootModel[Annotated[list[Sent], Field(min_length=1, max_length=EVENTS_MAX)]]):
    """Usage events; each is judged by itself."""


class EventResult(Reply):
    """What became of one event."""

    source: str | None
    id: str | None
    result: Literal["accepted", "duplicate", "refused"]
    """`duplicate`: it was charged before; nothing changed."""
    code: str | None = None
    """Why it was refused: `metering_unavailable` is worth another try, the others are not."""
    detail: str | None = None
    charged: Amount | None = None


class EventsReply(Reply):
    """In the order in which they were sent."""

    data: Sequence[EventResult]
    accepted: int
    duplicates: int
    refused: int


def operations(resources: Resources) -> Sequence[Operation]:
    async def report(asked: Asked[Query]) -> EventsReply:
        assert isinstance(asked.body, (OneEvent, ManyEvents))
        sent = asked.body.root
        results: list[EventResult] = []
        for some in _chunks(sent if isinstance(sent, list) else [sent]):
            results += await asyncio.gather(*(_charged(resources, each) for each in some))
        told = [each.result for each in results]
        return EventsReply(
            data=results,
            accepted=told.count("accepted"),
            duplicates=told.count("duplicate"),
            refused=told.count("refused"),
        )

    return (
        Operation(
            method="POST",
            path="/usage/events",
            name="reportUsage",
            summary="Charge usage that was measured elsewhere; each event is judged by itself",
            tag="Reservations",
            audience=Audience.SERVICE,
            scope=ServiceScope.RESERVATIONS_WRITE,
            bodies={ONE: OneEvent, MANY: ManyEvents},
            handler=report,
            answer=EventsReply,
        ),
    )


def _chunks(sent: Sequence[Sent]) -> Iterator[Sequence[Sent]]:
    return (sent[start : start + AT_ONCE] for start in range(0, len(sent), AT_ONCE))


async def _charged(resources: Resources, sent: Sent) -> EventResult:
    try:
        event = sent if isinstance(sent, UsageCloudEvent) else _misshapen(sent)
        paying = await payer(resources, event.subject, event.data.key_id)
        ask = _settlement(resources, event, paying)
        answer = await resources.ledger.settle(ask)
    except GatewayError as error:
        return _result(sent, result="refused", code=error.code, detail=error.message)
    if isinstance(answer, AlreadyEnded):
        return _result(sent, result="duplicate")
    return _result(sent, result="accepted", charged=amount(answer.charged_ucr))


def _result(sent: Sent, **told: Any) -> EventResult:  # noqa: ANN401  Any: the fields of the answer
    if isinstance(sent, UsageCloudEvent):
        return EventResult(source=sent.source, id=sent.id, **told)
    return EventResult(source=_text(sent, "source"), id=_text(sent, "id"), **told)


def _text(sent: Mapping[str, object], name: str) -> str | None:
    value = sent.get(name)
    return value[:1024] if isinstance(value, str) else None


def _misshapen(sent: Mapping[str, object]) -> UsageCloudEvent:
    """Raises BadCall with what is wrong; never a value."""
    try:
        return UsageCloudEvent.model_validate(sent)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise BadCall(f"{place or '(whole)'}: {problem['msg']}.") from None


def _settlement(resources: Resources, event: UsageCloudEvent, paying: Payer) -> Settle:
    now_ms = resources.ledger.now_ms()
    line = line_of(event.data.model, routes=resources.routes, rate_card=resources.rate_card)
    named = f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(named).hexdigest()[:40]
    used_ms = _time_ms(event.time, now_ms=now_ms)
    return settled(
        begun(f"evt-{digest}", paying, line, model=event.data.model, now_ms=used_ms),
        charges_for(
            paying.limits,
            Need(0, 0, 0, 0),
            whose=paying.whose,
            now_ms=now_ms,
        ),
        usage_of(event.data.usage),
        price=line.price,
        provenance=Provenance(event.data.provenance),
        observe=paying.plan.observes,
    )


def _time_ms(text: str, *, now_ms: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadCall("time: expected RFC 3339 with its offset from UTC.")
    time_ms = int(moment.timestamp() * 1000)
    if time_ms < now_ms - AGE_MAX_MS:
        raise BadCall(
            "time: too long ago to tell whether it was charged. Events are taken for 23 hours.",
            code="event_too_old",
        )
    if time_ms > now_ms + AHEAD_MAX_MS:
        raise BadCall("time: it has not come yet.", code="event_ahead_of_time")
    return time_ms
