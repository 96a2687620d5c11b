"""The closed sets that the labels of metrics come from, and those the configuration closes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.metering.advances import Drawn
from gateway.metering.events import End
from gateway.metering.failover import ProbeEnd, Unanswered
from gateway.metering.hedging import HedgeEnd
from gateway.metering.pieces import PIECES
from gateway.metering.usage import Provenance, TokenClass

# What cannot be named by a closed set: a provider added by a reload, a model off the card.
OTHER = "other"

# The codes of errors.py and those its raisers narrow them to (docs/errors.md).
REFUSAL_REASONS = (
    "invalid_request",
    "request_too_large",
    "invalid_api_key",
    "model_not_allowed",
    "model_not_priced",
    "account_inactive",
    "project_inactive",
    "unknown_endpoint",
    "object_not_found",
    "endpoint_refused",
    "insufficient_quota",
    "balance_held",
    "rate_limit_exceeded",
    "upstream_failed",
    "upstream_busy",
    "upstream_timeout",
    "upstream_at_limit",
    "metering_unavailable",
    "draining",
    "overloaded",
    "internal_error",
    OTHER,
)

# What becomes of a record at a sink.
EXPORT_OUTCOMES = ("delivered", "duplicate", "poison", "retry", "disabled")

# Single codes where the remedy differs, the class for all others.
PROVIDER_STATUSES = ("400", "401", "403", "404", "429", "3xx", "4xx", "5xx")

# How an attempt at a provider ended after which another one was asked.
ATTEMPTS = (*Unanswered, *PROVIDER_STATUSES)

# What becomes of an event of a payment system.
RECEIVED = ("granted", "corrected", "repeated", "ignored", "refused")

# Beside the kinds of pieces, what may be used without a price.
SERVICE_TIER = "service_tier"


class UnknownHandling(StrEnum):
    """What was done with a request for a path that no table knows."""

    REFUSED = "refused"
    FREE = "forwarded_free"
    CHARGED = "forwarded_for_a_fee"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLabels:
    """The label values of this installation: dialects and providers in use, priced models."""

    dialects: tuple[str, ...]
    providers: tuple[str, ...]
    models: tuple[str, ...]
    sinks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def values(self) -> Mapping[str, tuple[str, ...]]:
        return {
            "dialect": _with_other(self.dialects),
            "provider": _with_other(self.providers),
            "model": _with_other(self.models),
            "end": tuple(End),
            "provenance": tuple(Provenance),
            "class": tuple(TokenClass),
            "reason": REFUSAL_REASONS,
            "status": PROVIDER_STATUSES,
            "attempt": ATTEMPTS,
            "probe": tuple(ProbeEnd),
            "hedge": tuple(HedgeEnd),
            "handled": tuple(UnknownHandling),
            "sink": self.sinks,
            "source": self.sources,
            "received": RECEIVED,
            "outcome": EXPORT_OUTCOMES,
            "became": tuple(Drawn),
            "piece": (*PIECES, OTHER),
            "unpriced": (*PIECES, SERVICE_TIER),
        }


def _with_other(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, OTHER)))
