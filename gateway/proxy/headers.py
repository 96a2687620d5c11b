"""Which header fields cross the gateway, in both directions. Pure functions on raw fields.

Everything end-to-end crosses unchanged, in its order and case, but for this documented list.
From the caller to the provider these stay behind:
- hop-by-hop fields and those that Connection names (RFC 9110 §7.6.1), Host, Content-Length, Expect;
- every way to present a key, AWS's signatures (X-Amz-*), cookies, and what selects whom the
  provider bills (OpenAI-Project, OpenAI-Organization, x-goog-user-project): all that is the
  provider credential's business;
- who called through whom (X-Forwarded-*, Forwarded, Via, X-Real-IP, CF-* and other CDNs' fields):
  the callers' addresses are none of the provider's business;
- method and path overrides and masks of the answer's fields (X-Goog-FieldMask), because what was
  metered must be what is done;
- x-tollkeeper-*, which are ours: the provider is told our request id in one.
From the provider to the caller: see `response_head.py`.
X-Request-Id crosses both ways; ours travels beside it as x-tollkeeper-request-id.

Knows nothing of sockets and dialects. Vendor facts: platform.openai.com/docs/api-reference
(organisation, project, x-request-id), docs.anthropic.com/en/api/overview, ai.google.dev/api,
learn.microsoft.com/azure/ai-services/openai/reference (api-key).
"""

from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from gateway.proxy.seams import RawHeaders

REQUEST_ID = b"x-tollkeeper-request-id"

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)

_KEYS = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"ocp-apim-subscription-key",
        b"cookie",
        b"cookie2",
    }
)

_BILLED_TO = frozenset({b"openai-organization", b"openai-project", b"x-goog-user-project"})

_ROUTE = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"fastly-client-ip",
        b"cdn-loop",
    }
)

_OVERRIDES = frozenset(
    {
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-goog-fieldmask",
        b"x-original-url",
        b"x-rewrite-url",
    }
)

_REQUEST_DROPPED = (
    HOP_BY_HOP | _KEYS | _BILLED_TO | _ROUTE | _OVERRIDES | {b"host", b"content-length", b"expect"}
)
_REQUEST_DROPPED_PREFIXES = (b"x-forwarded-", b"proxy-", b"x-tollkeeper-", b"cf-", b"x-amz-")

_ACCEPT_ENCODING = (b"accept-encoding",)

_CONNECTION_ALONE = frozenset({b"keep-alive", b"close", b""})

_NEVER_NAMED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"anthropic-beta",
        b"anthropic-version",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"openai-beta",
        b"retry-after",
        b"user-agent",
        b"x-request-id",
        b"x-should-retry",
    }
)
"""Fields meant for the far end, whatever Connection says: RFC 9110 §7.6.1 forbids naming them, and
without them the other side would read the same bytes differently from us."""


def request_headers(
    raw: RawHeaders,
    *,
    host: bytes,
    credential: RawHeaders,
    body_bytes: int,
    request_id: bytes,
    identity_only: bool,
) -> list[tuple[bytes, bytes]]:
    """The fields of the request to the provider.

    `identity_only` asks for an uncompressed answer, for streams in which an event must be hidden.
    Content-Length is left out for an empty body that the caller announced with none either.
    """
    kept, announced = crossing(raw, host=host, ours=credential, identity_only=identity_only)
    added = added_headers(
        credential,
        body_bytes=body_bytes if body_bytes or announced else None,
        request_id=request_id,
        identity_only=identity_only,
    )
    return kept + added


def crossing(
    raw: RawHeaders, *, host: bytes, ours: RawHeaders, identity_only: bool
) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The first of them: those that follow from the caller's alone and from the names of `ours`.
    And whether the caller announced a length."""
    names = tuple([name for name, _ in ours])
    if identity_only:
        names += _ACCEPT_ENCODING
    kept, announced = _end_to_end(raw, _request_fates(names))
    return [(b"host", host), *kept], announced


def added_headers(
    ours: RawHeaders, *, body_bytes: int | None, request_id: bytes, identity_only: bool
) -> list[tuple[bytes, bytes]]:
    """The rest of them: the gateway's own."""
    fields = list(ours)
    if identity_only:
        fields.append((b"accept-encoding", b"identity"))
    fields.append((REQUEST_ID, request_id))
    if body_bytes is not None:
        fields.append((b"content-length", b"%d" % body_bytes))
    return fields


class _Fate(Enum):
    """What becomes of a field, by its name alone."""

    CROSSES = 0
    DROPPED = 1
    NAMES_OTHERS = 2
    ANNOUNCES_LENGTH = 3
    """Dropped as well, but that it was there counts."""


# Members of an enumeration cost a descriptor call each time they are reached through it.
_CROSSES = _Fate.CROSSES
_NAMES_OTHERS = _Fate.NAMES_OTHERS
_ANNOUNCES_LENGTH = _Fate.ANNOUNCES_LENGTH

_FATES_MAX = 1024


class _Fates(dict[bytes, _Fate]):
    """The fate of each name as it is spelt, worked out when it first comes.

    The same few names come with every call: looking them up here is cheaper than any function
    call. Names are made up by strangers, so what is remembered is bounded.
    """

    __slots__ = ("_decide",)

    def __init__(self, decide: Callable[[bytes], _Fate]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, name: bytes) -> _Fate:
        fate = self._decide(name.lower())
        if len(self) < _FATES_MAX:
            self[name] = fate
        return fate


def _end_to_end(raw: RawHeaders, fates: _Fates) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The fields of `raw` that cross, but those that its Connection names; and whether one of
    the others announced a length."""
    kept: list[tuple[bytes, bytes]] = []
    named: set[bytes] = set()
    announced = False
    for field in raw:
        fate = fates[field[0]]
        if fate is _CROSSES:
            kept.append(field)
        elif fate is _NAMES_OTHERS:
            named |= named_by(field[1])
        elif fate is _ANNOUNCES_LENGTH:
            announced = True
    if named:
        kept = [field for field in kept if field[0].lower() not in named]
    return kept, announced


@lru_cache(maxsize=64)
def _request_fates(ours: tuple[bytes, ...]) -> _Fates:
    """For requests in which the gateway sets `ours` itself; there are few such sets of names."""
    dropped = _REQUEST_DROPPED.union(name.lower() for name in ours)

    def decide(name: bytes) -> _Fate:
        if name == b"connection":
            return _Fate.NAMES_OTHERS
        if name == b"content-length":
            return _Fate.ANNOUNCES_LENGTH
        if name in dropped or name.startswith(_REQUEST_DROPPED_PREFIXES):
            return _Fate.DROPPED
        return _Fate.CROSSES

    return _Fates(decide)


def named_by(connection: bytes) -> set[bytes]:
    """The fields that a Connection value makes hop-by-hop, but those that never are."""
    value = connection.lower()
    if value in _CONNECTION_ALONE:
        return set()
    return {name.strip() for name in value.split(b",")} - _NEVER_NAMED
