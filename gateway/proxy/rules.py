"""What the configuration says about forwarding."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.dialects.base import Api, Dialect
from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.jobs import Jobs
from gateway.proxy.providers import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    apis: Mapping[str, Api]
    dialects: Mapping[str, Dialect]
    providers: Mapping[str, Provider]
    default_providers: Mapping[str, str]
    """By API: who serves what belongs to no model, such as free endpoints."""
    unknown_endpoints: EndpointKind | None
    """How a path is forwarded that no table knows: FREE, or METERED by a fee; None refuses it."""
    jobs: Mapping[str, Jobs]
    """By dialect, for those whose calls begin jobs."""
    body_bytes_max: int
    checkpoint_s: float
    poll_longest_ms: int
    """How long a job that runs on is left alone at the most."""
