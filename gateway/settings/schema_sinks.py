"""Sinks as they are written: where settlements go, and how patient we are about it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gateway.settings.fields import AS_FLOAT, BaseUrl, Block, Reference

Folder = Annotated[str, Field(min_length=1, max_length=1024)]
Timeout = Annotated[float, Field(gt=0, le=10), AS_FLOAT]
Table = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$")
]


class JsonLinesBlock(Block):
    """Files with a CloudEvent on each line."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {"dir": "folder", "path": "folder"}

    folder: Folder
    """Directory for the files, from the working directory; made if missing."""
    file_bytes_max: Annotated[int, Field(ge=4096, le=1 << 40)] = 67_108_864
    """Bytes after which a file is finished and another begun."""
    file_age_max_s: Annotated[float, Field(ge=1, le=2_678_400), AS_FLOAT] = 3600.0
    """Seconds after which a file is finished, at the next record."""
    fsync: bool = True
    """Whether a record is on the disk before it counts as delivered."""


class WebhookBlock(Block):
    """A Standard Webhook: signed batches of CloudEvents."""

    url: BaseUrl
    """Where they are posted to; redirects are not followed."""
    secrets: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=5)]
    """Secrets (whsec_…), as env:NAME or file:PATH; each signs, so that one can replace another."""
    allow: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    """Networks beside the public internet that url may lead to, such as 10.0.0.0/8."""
    timeout_s: Timeout = 10.0
    """Seconds for one request."""


class WebhooksBlock(Block):
    """Endpoints of accounts and of the operator, registered by API, dashboard or command."""

    allow: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    """Networks beside the public internet that they may be in, such as 10.0.0.0/8. Whoever has a
    key that manages an account may name an address there."""
    timeout_s: Timeout = 10.0
    """Seconds for one attempt."""


class StripeBlock(Block):
    """Stripe's billing meters: sums by customer, model, class and minute."""

    url: BaseUrl = "https://api.stripe.com"
    """Stripe's API."""
    api_key: Reference
    """Secret or restricted key, as env:NAME or file:PATH."""
    event_name: Annotated[str, Field(min_length=1, max_length=100)] = "token-billing-tokens"
    """The meter's event name."""
    charge_event_name: Annotated[str, Field(max_length=100)] = ""
    """Event name of a meter for the charge in microcredits; empty sends none."""
    accounts_without_id: Literal["dead_letter", "skip"] = "dead_letter"
    """What becomes of records of accounts that have no external id for stripe."""
    timeout_s: Timeout = 10.0
    """Seconds for one request."""


class OpenMeterBlock(Block):
    """OpenMeter: CloudEvents as they are."""

    url: BaseUrl = "https://openmeter.cloud"
    """Where /api/v1/events is."""
    api_key: Reference | None = None
    """The token, as env:NAME or file:PATH; null for a server that asks for none."""
    timeout_s: Timeout = 10.0
    """Seconds for one request."""


class LagoBlock(Block):
    """Lago: an event for each class of tokens."""

    url: BaseUrl = "https://api.getlago.com"
    """Where /api/v1/events/batch is."""
    api_key: Reference
    """The organisation's API key, as env:NAME or file:PATH."""
    metric: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*\{class\}[A-Za-z0-9_.-]*$")] = (
        "llm_{class}"
    )
    """Code of the billable metric; {class} is replaced by input_uncached, output_text …"""
    charge_metric: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,100}$")] = ""
    """Code of a metric for the charge in microcredits; empty sends none."""
    timeout_s: Timeout = 10.0
    """Seconds for one request."""


class PostgresBlock(Block):
    """A table in PostgreSQL; needs the extra tollkeeper[postgres]."""

    url: Reference
    """postgresql:// URL, as env:NAME or file:PATH."""
    table: Table = "tollkeeper_usage"
    """Made if missing; schema.table or table."""
    timeout_s: Timeout = 10.0
    """Seconds for one statement."""


class ClickHouseBlock(Block):
    """A table in ClickHouse, over HTTP."""

    url: BaseUrl
    """ClickHouse's HTTP interface."""
    table: Table = "tollkeeper_usage"
    """Must exist: docs/billing.md has its definition."""
    user: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    """Who we are."""
    password: Reference | None = None
    """The user's password, as env:NAME or file:PATH."""
    timeout_s: Timeout = 10.0
    """Seconds for one request."""


class KafkaBlock(Block):
    """A topic in Kafka; needs the extra tollkeeper[kafka]."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {"bootstrap_servers": "brokers"}

    brokers: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._\[\]:-]{1,255}:[0-9]{1,5}$")], ...],
        Field(min_length=1, max_length=20),
    ]
    """host:port of some brokers; the others are learnt from them."""
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "tollkeeper.usage"
    """Where messages go; the key is the account. It should exist."""
    tls: bool = True
    """Whether connections are encrypted; certificates are verified."""
    user: Annotated[str, Field(max_length=200)] = ""
    """Who we are (SASL PLAIN); empty: nobody asks."""
    password: Reference | None = None
    """The user's password, as env:NAME or file:PATH."""
    timeout_s: Timeout = 10.0
    """Seconds for one delivery, the connection included."""


class TotalsBlock(Block):
    """Totals of each account as a file for Prometheus' node exporter (textfile collector)."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {"dir": "folder", "path": "folder"}

    folder: Folder
    """The collector's directory; each worker has its own file there."""
    accounts_max: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Accounts with series of their own; those that come later are added up as other."""


class SinkBlock(Block):
    """One receiver of settlements: exactly one of the kinds, and how it is fed."""

    json_lines: JsonLinesBlock | None = None
    """Files of JSON lines."""
    webhook: WebhookBlock | None = None
    """Standard Webhooks."""
    stripe: StripeBlock | None = None
    """Stripe meter events."""
    openmeter: OpenMeterBlock | None = None
    """OpenMeter."""
    lago: LagoBlock | None = None
    """Lago."""
    postgres: PostgresBlock | None = None
    """PostgreSQL."""
    clickhouse: ClickHouseBlock | None = None
    """ClickHouse."""
    kafka: KafkaBlock | None = None
    """Kafka."""
    totals: TotalsBlock | None = None
    """Prometheus-style totals."""
    batch_max: Annotated[int, Field(ge=1, le=1000)] = 100
    """Records in one delivery at most."""
    linger_s: Annotated[float, Field(ge=0.05, le=1), AS_FLOAT] = 0.5
    """Seconds a record waits for company at most."""
    new_gets_everything: bool = True
    """Whether a sink that is new also gets what was settled before it; true: as far back as the
    outbox goes."""


class ExportBlock(Block):
    """How settlements are told to sinks."""

    source: Annotated[str, Field(pattern=r"^urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[!-~]{1,200}$")] = (
        "urn:tollkeeper:gateway"
    )
    """Name of this installation in every record; receivers tell duplicates by it and the id."""
    flush_s: Annotated[float, Field(ge=0, le=60), AS_FLOAT] = 5.0
    """Seconds a worker that stops may take to deliver what is settled; the rest is delivered by
    the others, or at the next start."""
