"""One operation of the Metering API: declared once, served and described from the declaration."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from gateway.access.services import Service, ServiceScope
from gateway.access.sessions import Session
from gateway.api.shapes import Body, Query, Reply
from gateway.errors import ChangedMeanwhile, GatewayError
from gateway.metering.accounts import Caller


class Audience(StrEnum):
    """Who may ask: anybody, the holder of a virtual key about itself and its account, a service
    with a scope, either of the two; or, at the admin listener alone, a service with `admin`."""

    ANYBODY = "anybody"
    KEY = "key"
    SERVICE = "service"
    KEY_OR_SERVICE = "key_or_service"
    ADMIN = "admin"


class NoQuery(Query):
    """No parameters."""


JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Q_co = TypeVar("Q_co", bound=Query, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[Q_co]):
    """A request that was understood: whoever asks may, and what comes has the declared shape."""

    query: Q_co
    segments: Mapping[str, str] = field(default_factory=dict)
    body: BaseModel | None = None
    caller: Caller | None = None
    """Of the virtual key, if one was presented, or somebody signed in with it."""
    session: Session | None = None
    """What `caller` signed in to, if no key was presented."""
    service: Service | None = None
    idempotency_key: str = ""
    content: bytes = b""
    """The body as it came, for an operation that is `raw`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in any case."""
    address: str = ""
    """Where it came from."""
    if_match: str = ""
    last_event_id: str = ""

    @property
    def holder(self) -> Caller:
        """Of the virtual key; for operations with Audience.KEY."""
        assert self.caller is not None, "the dispatcher sees to it"
        return self.caller

    def must_match(self, etag: str) -> None:
        """Raises ChangedMeanwhile if `If-Match` names others only."""
        tags = [tag.strip(' "') for tag in self.if_match.split(",")]
        if self.if_match and "*" not in tags and etag not in tags:
            raise ChangedMeanwhile("It has changed since you read it. Read it again.")


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON document: an export, a page."""

    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventStream:
    """An answer that goes on (text/event-stream), until `parts` ends or the client leaves."""

    parts: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Headed:
    """An answer with headers of its own."""

    answer: Reply | None
    headers: Mapping[str, str]


Answer = Reply | Text | Headed | EventStream | None
"""None: 204, nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`path` under the API's root, with `{name}` for a segment; `name` is its operationId.

    `errors` are what it may raise besides what every operation may: 400, 401, 403, 429, 503.
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    audience: Audience
    handler: Callable[[Asked[Query]], Awaitable[Answer]]
    answer: type[Reply] | None = None
    query: type[Query] = NoQuery
    body: type[Body] | None = None
    """As application/json."""
    bodies: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    """In its place, where a standard wants other media types: the shape of each."""
    raw: bool = False
    """The body is taken as it comes: a signature is that of its bytes."""
    scope: ServiceScope | None = None
    """What the service must be allowed to do."""
    status: int = 200
    idempotent: bool = False
    """An `Idempotency-Key` header is required."""
    conditional: bool = False
    """`If-Match` is honoured, in the step that makes the change."""
    changes: bool = False
    """Noted in the audit trail, with what came of it."""
    media: tuple[str, ...] = ("application/json",)
    errors: tuple[type[GatewayError], ...] = ()

    @property
    def shapes(self) -> Mapping[str, type[BaseModel]]:
        """Of its body, by media type; empty without one."""
        return {JSON: self.body} if self.body is not None else self.bodies

    @property
    def body_required(self) -> bool:
        """False if nothing need be said, and no body says that."""
        fields = self.body.model_fields.values() if self.body is not None else ()
        return self.body is None or self.method == "PATCH" or any(f.is_required() for f in fields)
