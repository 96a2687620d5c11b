"""One row of the endpoint tables, and the words they are written in.

    metered("POST", "/v1/chat/completions", "openai_chat")     charged, read by that dialect
    free("GET", "/v1/models")                                  passed on; the vendor bills nothing
    reports("GET", "/v1/batches/{batch_id}", "openai_batches") free; tells what a job used
    realtime("GET", "/v1/realtime", "openai_realtime")         a WebSocket, charged as it runs
    refused("POST", "/v1/realtime/client_secrets", CREDENTIAL) and why
    refused_below("/v1/organization", ADMINISTRATION)          the same for all that is below

A row is free because its vendor's price list has nothing for it, never because nobody looked:
what may cost the operator money unseen is refused until it is metered.

`{name}` stands for one segment of letters, digits and `-._~:@+`; in the last segment of Google's
paths a colon begins the verb (`{model}:generateContent`) and is no part of the name. `{name%}`
may hold `%3A` and `%2F` as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.dialects.stored_paths import NOTHING, Stored, stored

OPENAI, ANTHROPIC, GEMINI, BEDROCK = "openai", "anthropic", "gemini", "bedrock"

# Why a path is refused: what follows "… is not available through this gateway: ".
ADMINISTRATION = "it administers the organisation that owns the provider's credential"
AGENTS = "what it starts runs on by itself, and bills what no request could be held for"
BUCKETS = "its requests and answers lie in a bucket, where the gateway sees neither"
CONVERSE = (
    "Bedrock's format of its own is not metered; the same models are at /model/{model}/invoke"
)
CREDENTIAL = "it hands out a credential that would bypass the meter"
DEPRECATED = "its vendor has deprecated it, and no format here reads it"
EMBEDDED = "what is stored is embedded and billed by the token, and no answer says how many"
GRADERS = "a grader may be a model of the caller's choice, and its tokens are billed"
GUARDRAILS = "guardrails are billed by policy and thousand characters, which no answer adds up"
LIVE = "its live protocol is not metered; what is live and metered here is /v1/realtime"
MACHINE = "a hosted machine is billed while it is up, and nothing tells for how long"
MEDIA = "its audio and video would flow past the meter"
NO_PRICE = "its vendor has published no price for it"
NOT_METERED = "what it costs the operator cannot be metered yet"
OTHER_MODELS = "each model there has a format of its own, which is not metered"
OTHER_PATH_FILMS = "films are metered at /v1beta/models/{model}:predictLongRunning"
OTHER_PATH_RESPONSES = "responses are not metered over a WebSocket; POST /v1/responses is the same"
SHUT_DOWN = "its vendor has shut it down"
TUNING = "a training is billed by tokens that are counted only while it runs"

ANY_METHOD = "*"
ALL_BELOW = "**"


class EndpointKind(StrEnum):
    METERED = "metered"
    FREE = "free"
    REPORTS = "reports"
    """Free itself, but its answer may report what an earlier job used."""
    REALTIME = "realtime"
    """A WebSocket. Its path without an upgrade is no endpoint."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path with names in it, and how it is metered.

    `api` names a row of `APIS`: whose keys, errors and providers. `dialect` names a row of
    `DIALECTS`, `JOBS` or `SESSIONS`: which format meters or reads it. `memo` names a row of
    `MEMOS`: what is remembered of what it creates. `reason` says why a path is refused. `stored`
    follows from the rest: what it has to do with objects that the provider keeps.
    """

    method: str
    pattern: str
    api: str
    kind: EndpointKind
    dialect: str = ""
    reason: str = ""
    memo: str = ""
    stored: Stored = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Some endpoints of one API under a common title.

    The same paths are served with each of `also_under` in place of `prefix`.
    """

    title: str
    api: str
    rows: tuple[Endpoint, ...]
    prefix: str = ""
    also_under: tuple[str, ...] = ()

    def endpoints(self) -> Iterator[Endpoint]:
        for prefix in (self.prefix, *self.also_under):
            for row in self.rows:
                assert row.pattern.startswith(self.prefix), row
                pattern = prefix + row.pattern.removeprefix(self.prefix)
                kept = stored(row.method, pattern, kind=row.kind, dialect=row.dialect)
                yield replace(row, api=self.api, pattern=pattern, stored=kept)


def metered(method: str, pattern: str, dialect: str) -> Endpoint:
    return Endpoint(method, pattern, "", EndpointKind.METERED, dialect)


def free(method: str, pattern: str, memo: str = "") -> Endpoint:
    return Endpoint(method, pattern, "", EndpointKind.FREE, memo=memo)


def reports(method: str, pattern: str, dialect: str) -> Endpoint:
    return Endpoint(method, pattern, "", EndpointKind.REPORTS, dialect)


def realtime(method: str, pattern: str, dialect: str) -> Endpoint:
    return Endpoint(method, pattern, "", EndpointKind.REALTIME, dialect)


def refused(method: str, pattern: str, reason: str) -> Endpoint:
    return Endpoint(method, pattern, "", EndpointKind.REFUSED, reason=reason)


def refused_below(pattern: str, reason: str) -> Endpoint:
    """The path itself and every path below it, whatever the method, unless another row has it."""
    return refused(ANY_METHOD, f"{pattern}/{ALL_BELOW}", reason)
