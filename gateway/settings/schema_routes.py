"""Routes as they are written: which providers serve a model, and when another one is asked."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.metering.failover import Unanswered
from gateway.settings.fields import AS_FLOAT, Block, ModelGlob, ModelName, Name, wrong

PROVIDERS_MAX = 16


class UpstreamBlock(Block):
    """One of several providers of a model."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {"provider": "name", "order": "priority"}

    name: Name
    """A name under providers."""
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Its share of the calls among those of the same priority."""
    priority: Annotated[int, Field(ge=1, le=100)] = 1
    """Lower first; the next is asked when those before are out of service or did not answer."""
    upstream_model: ModelName | None = None
    """What it is asked for instead; for exact names only."""
    price_as: ModelName | None = None
    """The line of the rate card to charge by; else upstream_model, else the name itself."""


def _attempt_end(value: object) -> object:
    if value in UNANSWERED or (isinstance(value, int) and value in ERROR_STATUSES):
        return value
    raise wrong(
        f"a status from 400 to 599, or {', '.join(UNANSWERED[:-1])} or {UNANSWERED[-1]}",
        "Name how an attempt ends after which another one is made.",
    )


UNANSWERED = tuple(each.value for each in Unanswered)
ERROR_STATUSES = range(400, 600)
End = Annotated[
    str | int,
    BeforeValidator(_attempt_end),
    WithJsonSchema(
        {"anyOf": [{"enum": [*UNANSWERED]}, {"type": "integer", "minimum": 400, "maximum": 599}]}
    ),
]


class FailoverBlock(Block):
    """When a call is asked for again, mostly of another provider, before anything of an answer has
    gone to the client; and how long a call may take in all."""

    retry_on: tuple[End, ...] = (
        "busy",
        "connect",
        "reset",
        408,
        429,
        500,
        502,
        503,
        504,
        529,
    )
    """How an attempt ends after which another is made: statuses, or without an answer: busy (no
    free connection), connect (not reached), reset (broken off), timeout (first_byte_timeout_s)."""
    attempts_max: Annotated[int, Field(ge=1, le=PROVIDERS_MAX)] = 3
    """Attempts for one call at the most; 1 for no failover."""
    deadline_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 60.0
    """Seconds from the first attempt, after which no further one is begun."""
    rounds: Annotated[int, Field(ge=1, le=10)] = 1
    """How often each provider may be asked for one call, within attempts_max: with 2, all that are
    in service are asked once more, also where there is only one."""
    round_pause_s: Annotated[float, Field(ge=0, le=10), AS_FLOAT] = 0.5
    """Seconds before the second round, doubled before each further one, up to 10; up to half of it
    is left out at random."""
    answer_deadline_s: Annotated[float, Field(gt=0, le=86_400), AS_FLOAT] | None = None
    """Seconds from the first attempt within which an answer has to begin, whoever is asked; then
    the caller is told 504. null: as long as the attempts take."""
    total_deadline_s: Annotated[float, Field(gt=0, le=86_400), AS_FLOAT] | None = None
    """Seconds from the first attempt within which the answer has to end; then it is broken off,
    and what was relayed is charged. null: as long as it goes on."""


class HedgeBlock(Block):
    """When a call is sent to a second provider because the first has not begun to answer: whoever
    answers first serves it, and the other is cut off."""

    after_ms: Annotated[int, Field(ge=1, le=600_000)] | None = None
    """Milliseconds that the first has to begin its answer; this or percentile is required."""
    percentile: Annotated[float, Field(ge=50, lt=100), AS_FLOAT] | None = None
    """The same as it lately was: the time within which so many percent of that provider's answers
    began, of the newest 256 that this worker saw. With after_ms as well, the longer one counts."""
    budget_percent: Annotated[float, Field(gt=0, le=100), AS_FLOAT] = 5.0
    """At most so many percent of these calls are sent twice; ten may be saved up."""
    calls: Literal["streamed", "all"] = "streamed"
    """streamed: only these, because an answer in one piece begins when all of it is made, however
    well its provider is; all: the others too, as for embeddings."""


class RouteBlock(Block):
    """Which provider serves a model, or which ones. The first match wins."""

    match: ModelGlob
    """Model name as the caller writes it, or a glob (*, ?, [abc])."""
    provider: Name | None = None
    """A name under providers; required unless there are several."""
    upstream_model: ModelName | None = None
    """What the provider is asked for instead; for exact names only."""
    price_as: ModelName | None = None
    """The line of the rate card to charge by; else upstream_model, else the name itself."""
    providers: Annotated[tuple[UpstreamBlock, ...], Field(max_length=PROVIDERS_MAX)] = ()
    """Several providers of the model, in place of provider, upstream_model and price_as."""
    balance: Literal["weights", "latency"] = "weights"
    """How calls are shared among providers of the same priority: by weight alone, or less the
    slower they begin to answer."""
    failover: FailoverBlock | None = None
    """What is different for this model from the common failover; what is left out is as there."""
    hedge: HedgeBlock | None = None
    """When two of the providers are asked at once; null: never."""

    @property
    def upstreams(self) -> tuple[UpstreamBlock, ...]:
        """However they are written."""
        if self.provider is None:
            return self.providers
        alone = UpstreamBlock(
            name=self.provider, upstream_model=self.upstream_model, price_as=self.price_as
        )
        return (alone, *self.providers)
