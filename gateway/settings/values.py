"""The settings of one gateway, as frozen values: complete, checked, secrets resolved.

They say nothing of YAML. Whoever composes the gateway hands each part what it needs; nothing
below this package imports it. Secrets are kept out of every `repr`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gateway.access.services import ServiceKey
from gateway.dialects.aws_signing import AwsIdentity
from gateway.incoming.base import Source
from gateway.metering.accounts import Account, Project, VirtualKey, digest
from gateway.metering.failover import Budget, FailoverPolicy, HealthPolicy, ProbePolicy
from gateway.metering.ledger import Grant
from gateway.metering.limits import Limit
from gateway.metering.plans import Plan
from gateway.metering.pricing import RateCard
from gateway.metering.routes import Route
from gateway.sinks import SinkOptions
from gateway.sinks.addresses import Networks
from gateway.sinks.base import Limits
from gateway.tokens.base import EncodingRule


class Auth(StrEnum):
    """How the provider wants its credential: a bearer token, the header of that name, or a
    signature for each request."""

    BEARER = "bearer"
    X_API_KEY = "x-api-key"
    API_KEY = "api-key"
    X_GOOG_API_KEY = "x-goog-api-key"
    AWS_SIGV4 = "aws-sigv4"
    NONE = "none"


class UnknownEndpoints(StrEnum):
    """What happens to a path no endpoint table knows. FORWARD_FLAT: for the fee that stands on the
    rate card as the model `unknown_endpoint`."""

    REFUSE = "refuse"
    FORWARD_FREE = "forward_free"
    FORWARD_FLAT = "forward_flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    host: str
    port: int
    workers: int
    drain_s: float
    unready_s: float
    body_bytes_max: int
    head_timeout_s: float
    body_timeout_s: float
    calls_max: int
    loop_lag_max_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`url` None: the embedded server under `data_dir`. `pepper` None (only then): the runtime
    makes one and keeps it in `data_dir`."""

    url: str | None = field(repr=False)
    data_dir: Path
    admission_timeout_ms: int
    pepper: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`url`: sqlite, for a file in the store's `data_dir`, or a database's."""

    url: str = field(repr=False)
    keep_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """`usd_nanos_per_credit`: the peg in 10⁻⁹ US dollars, an integer like all money here."""

    lease_s: float
    checkpoint_s: float
    job_poll_s: float
    advances_max: int
    usd_nanos_per_credit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """`quota_status` None: whatever the caller's dialect does natively."""

    quota_status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`base_url` has no trailing slash. `credential` is empty under `Auth.NONE` and under
    `Auth.AWS_SIGV4`, which alone has `aws`."""

    name: str
    base_url: str
    apis: tuple[str, ...]
    credential: str = field(repr=False)
    auth: Auth
    aws: AwsIdentity | None
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    connections_max: int
    keepalive_s: float
    budget: Budget
    health: HealthPolicy
    probe: ProbePolicy | None
    ca_file: Path | None
    objects_by_account: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredKey:
    """A virtual key from the configuration; `presented` is the whole key as callers send it."""

    key_id: str
    presented: str = field(repr=False)
    name: str
    project_id: str
    models: tuple[str, ...]
    limits: tuple[Limit, ...]
    manages: bool
    expires_ms: int

    def stored(self, account_id: str, pepper: bytes) -> VirtualKey:
        """The record for the key store: everything but the secret."""
        return VirtualKey(
            key_id=self.key_id,
            account_id=account_id,
            digest=digest(pepper, self.presented),
            name=self.name,
            project_id=self.project_id,
            models=self.models,
            limits=self.limits,
            manages=self.manages,
            expires_ms=self.expires_ms,
            source="config",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredAccount:
    account: Account
    projects: tuple[Project, ...]
    keys: tuple[DeclaredKey, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    source: str
    flush_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """`everything`: a sink that is new gets what the outbox still has."""

    name: str
    kind: str
    options: SinkOptions
    limits: Limits
    everything: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """`allow`: networks beside the public internet that notices may go to."""

    allow: Networks
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """`otlp_url` None: no spans. It has no trailing slash."""

    otlp_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`digest` changes with any file or secret that was read; `files` are those files."""

    listen: Listen
    admin: Admin
    store: Store
    history: History
    metering: Metering
    refusals: Refusals
    unknown_endpoints: UnknownEndpoints
    providers: Mapping[str, Provider]
    routes: tuple[Route, ...]
    failover: FailoverPolicy
    encodings: tuple[EncodingRule, ...]
    rate_card: RateCard
    plans: Mapping[str, Plan]
    services: tuple[ServiceKey, ...]
    export: Export
    sinks: tuple[SinkSettings, ...]
    webhooks: Webhooks
    telemetry: Telemetry
    incoming: Mapping[str, Source]
    accounts: tuple[DeclaredAccount, ...]
    digest: str
    files: tuple[Path, ...]

    @property
    def plans_digest(self) -> str:
        """Changes with what accounts are promised: allowances, alerts, notices of expiry."""
        promised = [
            (name, plan.allowance, plan.alerts, plan.expiry_notice_ms)
            for name, plan in sorted(self.plans.items())
        ]
        return hashlib.sha256(repr(promised).encode()).hexdigest()
