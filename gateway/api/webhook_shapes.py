"""Webhook endpoints and notices as the Metering API tells and takes them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.shapes import (
    Body,
    Moment,
    Query,
    Reply,
    Tagged,
    etag_of,
    moment,
    moment_or_none,
)
from gateway.errors import BadCall
from gateway.metering.webhooks import TYPES, Endpoint, Message

DAY_S = 86_400
Type = Annotated[str, Field(max_length=64, json_schema_extra={"enum": list(TYPES)})]
Url = Annotated[str, Field(min_length=8, max_length=2000, pattern=r"^https?://[!-~]+$")]


class EndpointReply(Tagged):
    """An endpoint, without its secret."""

    id: str
    account_id: str
    """Empty: it is the operator's, and told of what concerns no account."""
    url: str
    types: Sequence[str]
    """What it is told of; none: all."""
    status: str
    """`active`, or `disabled`: it answered 410, or was switched off."""
    created_at: Moment
    old_secret_until: Moment | None
    """Until then the secret before signs as well."""


class MadeEndpoint(EndpointReply):
    """An endpoint and its secret, which is never told again."""

    secret: str


class CreateEndpoint(Body):
    account_id: Annotated[str, Field(max_length=64)] | None = None
    """For services: whose notices; empty for the operator's. The holder of a key has only its own
    account."""
    url: Url
    types: Annotated[list[Type], Field(default_factory=list, max_length=len(TYPES))]


class ChangeEndpoint(Body):
    """What is left out stays as it is."""

    url: Url | None = None
    types: Annotated[list[Type], Field(max_length=len(TYPES))] | None = None
    status: Literal["active", "disabled"] | None = None


class RotateEndpoint(Body):
    overlap_s: Annotated[int, Field(ge=0, le=30 * DAY_S)] = DAY_S
    """How long the old secret signs as well."""


class ListEndpoints(Query):
    account_id: Annotated[str, Field(max_length=64)] | None = None
    """For services: only this account's; empty: the operator's. The holder of a key has only its
    own."""
    cursor: Annotated[str, Field(max_length=64)] = ""
    """The last id of the page before."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class ListMessages(Query):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class MessageReply(Reply):
    """A notice that its endpoint did not take."""

    id: str
    """As it was sent: `webhook-id`."""
    type: str
    died_at: Moment | None
    attempts: int
    last_error: str


class RedrivenReply(Reply):
    count: int


def known_types(types: Sequence[str]) -> tuple[str, ...]:
    unknown = [each for each in types if each not in TYPES]
    if unknown:
        raise BadCall(
            f"There is no type {unknown[0]!r}; there are: {', '.join(TYPES)}.",
            details={"param": "types"},
        )
    return tuple(dict.fromkeys(types))


def endpoint_reply(endpoint: Endpoint) -> EndpointReply:
    return EndpointReply(
        id=endpoint.endpoint_id,
        account_id=endpoint.account_id,
        url=endpoint.url,
        types=endpoint.types,
        status="disabled" if endpoint.disabled else "active",
        created_at=moment(endpoint.created_ms),
        old_secret_until=moment_or_none(endpoint.previous_until_ms),
        etag=etag_of(endpoint),
    )


def message_reply(message: Message) -> MessageReply:
    return MessageReply(
        id=message.message_id,
        type=str(message.document.get("type", "")),
        died_at=moment_or_none(message.died_ms),
        attempts=message.attempts,
        last_error=message.last_error,
    )
