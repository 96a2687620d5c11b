"""config/gateway.yaml as it is written: every key, its unit, its range and its default.

The docstring below a field is its line in the reference and in the editor. Rules between
fields live in `checks.py`, the way into domain values in `build.py`.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from gateway.metering.alerts import ALERTS_MAX
from gateway.settings.fields import (
    AS_FLOAT,
    AlertText,
    BaseUrl,
    Block,
    Credits,
    ExternalId,
    HistoryUrl,
    Host,
    InstantMs,
    ModelGlob,
    Name,
    PlainDecimal,
    Port,
    Reference,
    StoreUrl,
    UsdPerPiece,
)
from gateway.settings.schema_incoming import NO_INCOMING, IncomingBlock
from gateway.settings.schema_plans import KeyLimitBlock, PlanBlock
from gateway.settings.schema_prices import PriceBlock
from gateway.settings.schema_providers import ProviderBlock
from gateway.settings.schema_routes import FailoverBlock, RouteBlock
from gateway.settings.schema_sinks import ExportBlock, SinkBlock, WebhooksBlock


class ListenBlock(Block):
    """Where callers connect."""

    host: Host = "0.0.0.0"  # noqa: S104 - a gateway is there to be reached
    """Address to bind; 0.0.0.0 is every IPv4 interface."""
    port: Port = 8080
    """TCP port; 0 lets the system choose one (a single worker only)."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes sharing the port; one per core."""
    drain_s: Annotated[float, Field(ge=0, le=3600), AS_FLOAT] = 30.0
    """Seconds running calls may take to finish after SIGTERM, before they are cut and settled."""
    unready_s: Annotated[float, Field(ge=0, le=300), AS_FLOAT] = 0.0
    """Seconds after SIGTERM in which calls are still taken while `/readyz` says 503: what a load
    balancer needs to notice."""
    body_bytes_max: Annotated[int, Field(ge=1024, le=1 << 30)] = 33_554_432
    """Largest request body, in bytes; 32 MiB carries a dozen images."""
    head_timeout_s: Annotated[float, Field(gt=0, le=300), AS_FLOAT] = 10.0
    """Seconds a client may take to send its request head."""
    body_timeout_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 60.0
    """Seconds a client may take to send its body."""
    calls_max: Annotated[int, Field(ge=2, le=1_000_000)] = 4096
    """Calls that run at once in a worker. An account gets another while it has fewer than are
    free: one busy account takes at most half."""
    loop_lag_max_ms: Annotated[int, Field(ge=5, le=10_000)] | None = 25
    """Milliseconds that a worker's event loop may be late. While it is later, fewer calls may begin
    there, and accounts that begin the most are refused first; null: none is refused for that."""


class AdminBlock(Block):
    """Health, readiness and metrics, apart from callers."""

    host: Host = "127.0.0.1"
    """Address to bind; loopback unless a scraper lives elsewhere."""
    port: Port = 9090
    """TCP port; 0 lets the system choose one."""


class StoreBlock(Block):
    """Where balances, holds and keys live."""

    url: StoreUrl | None = None
    """redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL; with a password only
    as env:NAME or file:PATH. null: an embedded Valkey server, started or adopted."""
    data_dir: Annotated[str, Field(min_length=1, max_length=1024)] = "./tollkeeper-data"
    """Directory for the embedded server, the settlement spool and the history, from the working
    directory."""
    admission_timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = 200
    """Milliseconds to wait for the ledger before a call is refused with 503."""
    pepper: Reference | None = None
    """Secret (32 characters or more) that keys the stored digests. null, with the embedded server
    only: made once and kept in data_dir."""


class HistoryBlock(Block):
    """What was used, call by call and summed up, and the journal of all credit."""

    url: HistoryUrl = "sqlite"
    """Where it is kept; sqlite: the file history.db in store.data_dir, for gateways of one machine.
    Of several: env:NAME or file:PATH of a postgresql:// or clickhouse+https:// URL."""
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    """Days for which single calls can be listed; the sums by hour and the journal stay."""


class TelemetryBlock(Block):
    """OpenTelemetry, beside the log and the Prometheus metrics that are always there."""

    otlp_url: BaseUrl | None = None
    """A collector's OTLP/HTTP address, such as http://127.0.0.1:4318; null sends nothing."""


class MeteringBlock(Block):
    """How calls are held and charged."""

    lease_s: Annotated[float, Field(ge=5, le=3600), AS_FLOAT] = 30.0
    """Seconds without a sign of life after which a hold expires: a crash costs no more."""
    checkpoint_s: Annotated[float, Field(ge=0.05, le=60), AS_FLOAT] = 1.0
    """Seconds between checkpoints of a running stream: what a killed process may lose."""
    job_poll_s: Annotated[float, Field(ge=0.1, le=3600), AS_FLOAT] = 60.0
    """Seconds between questions for a job that runs on (a batch, background work); young ones are
    asked for more often."""
    advances_max: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Accounts that a worker sets credit aside of at the same time, where plans say store_away:
    advance."""
    credit_usd: Annotated[
        PlainDecimal, Field(gt=0, le=1_000_000, max_digits=15, decimal_places=9)
    ] = Decimal("0.01")
    """US dollars one credit is worth. Changing it reprices every call, not existing balances."""


class RefusalsBlock(Block):
    """How a call is turned away."""

    quota_status: Literal["native", 402, 429] = "native"
    """HTTP status when credit is gone: native is what the dialect's vendor sends."""


class EncodingBlock(Block):
    """Which vocabulary counts a model's tokens. The first match wins."""

    match: ModelGlob
    """Model name or glob, as asked of the provider."""
    encoding: Literal["o200k_base", "cl100k_base"]
    """A vocabulary shipped with Tollkeeper."""
    percent: Annotated[int, Field(ge=10, le=1000)] = 100
    """Scales the count for vendors whose vocabulary is not public; 100 is the count itself."""


class KeyBlock(Block):
    """A virtual key."""

    id: Annotated[str, Field(pattern="^[0-9A-Za-z]{12}$")]
    """The 12 characters after tk_ in the key."""
    secret: Reference
    """The whole key (tk_…), as env:NAME or file:PATH."""
    name: Annotated[str, Field(max_length=200)] = ""
    """Shown in lists."""
    project: Name | None = None
    """A project of the account, whose limits count as well; null for none."""
    models: tuple[ModelGlob, ...] = ()
    """Models this key may use, within what the plan allows; empty for all of those."""
    limits: tuple[KeyLimitBlock, ...] = ()
    """Limits of this key alone."""
    manage: bool = False
    """May manage the account's other keys, in the dashboard and by the Metering API."""
    expires: InstantMs | None = None
    """Day or moment from which the key is refused; null for never."""


class GrantBlock(Block):
    """Credit put into the account once, however often the configuration is loaded."""

    id: Name
    """Unique within the account; the same id is never granted twice."""
    credits: Annotated[Credits, Field(gt=0)]
    """Credits to put in, more than 0."""
    kind: Literal["prepaid", "allowance", "promo", "correction"] = "prepaid"
    """Decides the burn order: allowance, then promo, then prepaid and correction."""
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    """Burn order, lower first; null for the kind's own."""
    effective: InstantMs | None = None
    """Day or moment from which it counts; null for at once."""
    expires: InstantMs | None = None
    """Day or moment at which what is left lapses; null for never."""
    note: Annotated[str, Field(max_length=500)] = ""
    """Shown on the statement."""


class ProjectBlock(Block):
    """A part of an account: limits for all of its keys together."""

    id: Name
    """Unique within the account."""
    name: Annotated[str, Field(max_length=200)] = ""
    """Shown in lists."""
    limits: tuple[KeyLimitBlock, ...] = ()
    """Limits of this project, in place of the plan's of the same unit and window for projects."""


NO_IDS: dict[str, str] = {}
NO_SINKS: dict[str, SinkBlock] = {}


class AccountBlock(Block):
    """Who pays."""

    id: Name
    """Unique; never reuse one."""
    plan: Name
    """A name under plans."""
    name: Annotated[str, Field(max_length=200)] = ""
    """Shown in lists."""
    external: dict[Name, ExternalId] = NO_IDS
    """Who it is at billing systems: {stripe: cus_…, lago: sub_…, openmeter: …}."""
    anchor: InstantMs | None = None
    """Day or moment at which one of its own periods begins, for allowances that go by the account;
    null for when it was created."""
    alerts: Annotated[tuple[AlertText, ...], Field(max_length=ALERTS_MAX)] | None = None
    """In place of the plan's; null: the plan's, or those that the account's owner has set."""
    projects: tuple[ProjectBlock, ...] = ()
    """Parts of the account with limits of their own."""
    keys: tuple[KeyBlock, ...] = ()
    """Virtual keys that vanish with their declaration; others are made by command."""
    grants: tuple[GrantBlock, ...] = ()
    """Credit to start with."""


def _plans_form(value: object) -> str:
    return "<inline>" if isinstance(value, dict) else "<file>"


# Tags in angle brackets, so that they cannot be mistaken for a plan's name in an error's place.
PlansField = Annotated[
    Annotated[str, Field(min_length=1, max_length=1024), Tag("<file>")]
    | Annotated[dict[Name, PlanBlock], Field(min_length=1), Tag("<inline>")],
    Discriminator(_plans_form),
]

# Anthropic publishes no vocabulary. Characters per token of English prose and of TypeScript: 4.33
# and 3.66 until Claude Opus 4.6, 3.60 and 2.69 since 4.7 (measured by others with its own counter,
# April 2026); 4.71 and 4.2 in o200k_base. Between the two kinds of text, rather the more.
CLAUDE = (
    ("*claude-opus-4-[789]*", 145),
    ("*claude-3*", 115),
    ("*claude-opus-4*", 115),
    ("*claude-sonnet-4*", 115),
    ("*claude-haiku-4*", 115),
    ("*claude-*", 145),
)
# Gemini counts with the vocabulary of Gemma 3 (as google-genai 3.6.1 has it, `local_tokenizer`); it
# is too large to carry. Of what o200k_base says it takes 98 to 104 % for European prose, 86 for
# Chinese, 66 for Japanese, 117 for Python, 121 for JSON, and 189 for numbers, digit by digit
# (measured in November 2026). Tool calls are JSON, and must not come out below.
GEMINI_PERCENT = 120
DEFAULT_ENCODINGS = (
    EncodingBlock(match="gpt-3.5*", encoding="cl100k_base"),
    EncodingBlock(match="gpt-4", encoding="cl100k_base"),
    EncodingBlock(match="gpt-4-*", encoding="cl100k_base"),
    EncodingBlock(match="text-embedding-*", encoding="cl100k_base"),
    *[EncodingBlock(match=match, encoding="o200k_base", percent=more) for match, more in CLAUDE],
    EncodingBlock(match="*gemini-*", encoding="o200k_base", percent=GEMINI_PERCENT),
    EncodingBlock(match="*gemma-*", encoding="o200k_base", percent=GEMINI_PERCENT),
    EncodingBlock(match="*", encoding="o200k_base"),
)


class ServiceBlock(Block):
    """Another program that asks the Metering API; it never calls a provider."""

    id: Name
    """Unique; stands in the audit trail."""
    secret: Reference
    """The whole service key (ts_ and 32 characters or more), as env:NAME or file:PATH."""
    scopes: Annotated[
        tuple[
            Literal[
                "keys:read",
                "keys:write",
                "accounts:read",
                "accounts:write",
                "grants:write",
                "reservations:write",
                "usage:read",
                "sinks:read",
                "sinks:write",
                "webhooks:read",
                "webhooks:write",
                "admin",
            ],
            ...,
        ],
        Field(min_length=1),
    ]
    """What it may do, each by itself."""


class GatewayFile(Block):
    """Tollkeeper's configuration."""

    listen: ListenBlock = ListenBlock()
    """Where callers connect."""
    admin: AdminBlock = AdminBlock()
    """Health, readiness and metrics, apart from callers."""
    store: StoreBlock = StoreBlock()
    """Where balances, holds and keys live."""
    history: HistoryBlock = HistoryBlock()
    """What was used, and the journal."""
    metering: MeteringBlock = MeteringBlock()
    """How calls are held and charged."""
    refusals: RefusalsBlock = RefusalsBlock()
    """How a call is turned away."""
    unknown_endpoints: Literal["refuse", "forward_free", "forward_flat"] = "refuse"
    """A path no endpoint table knows: refuse it, or forward it to the only provider, unmetered or
    for a fee. A plan with `models` must allow the model unknown_endpoint."""
    unknown_endpoint_usd: UsdPerPiece | None = None
    """US dollars for each request that forward_flat forwards and the provider answers with a 2xx
    status; required with it."""
    providers: Annotated[dict[Name, ProviderBlock], Field(min_length=1)]
    """Upstream APIs by name."""
    models: Annotated[tuple[RouteBlock, ...], Field(min_length=1)]
    """Which provider serves a model; the first match wins."""
    failover: FailoverBlock = FailoverBlock()
    """When another provider of a model is asked."""
    encodings: Annotated[tuple[EncodingBlock, ...], Field(min_length=1)] = DEFAULT_ENCODINGS
    """Which vocabulary counts a model's tokens; the first match wins."""
    prices: tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...] = ()
    """Rate card files, from this file's directory."""
    default_price: PriceBlock | None = None
    """Price of models without a line on the card; null refuses them."""
    plans: PlansField
    """Plans by name, or the file with them, from this file's directory."""
    services: tuple[ServiceBlock, ...] = ()
    """Programs that may ask the Metering API about all accounts."""
    export: ExportBlock = ExportBlock()
    """How settlements are told to sinks."""
    sinks: dict[Name, SinkBlock] = NO_SINKS
    """Billing and analytics systems that receive what is settled, by name. A name stays: under
    another one a sink is a new one."""
    webhooks: WebhooksBlock = WebhooksBlock()
    """How notices reach the endpoints that accounts have registered."""
    telemetry: TelemetryBlock = TelemetryBlock()
    """Spans and GenAI metrics for OpenTelemetry."""
    incoming: dict[Name, IncomingBlock] = NO_INCOMING
    """Payment systems whose events become credit, by name: POST /metering/v1/incoming/<name>. A
    name stays: under another one a payment would count again."""
    accounts: tuple[AccountBlock, ...] = ()
    """Accounts, keys and grants kept by configuration; others are made by command."""
