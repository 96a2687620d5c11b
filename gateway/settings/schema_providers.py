"""Providers as they are written: where they are, what they serve, who we are to them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gateway.settings.fields import AS_FLOAT, BaseUrl, Block, Reference


class AwsBlock(Block):
    """Who signs the requests to AWS."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {
        "aws_region": "region",
        "access_key": "access_key_id",
        "secret_key": "secret_access_key",
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
    }

    region: Annotated[str, Field(pattern="^[a-z0-9-]{1,32}$")]
    """The region that base_url leads to, such as us-east-1."""
    access_key_id: Reference
    """The access key's id, as env:NAME or file:PATH."""
    secret_access_key: Reference
    """The access key's secret."""
    session_token: Reference | None = None
    """Of temporary credentials only."""


class HealthBlock(Block):
    """When a provider is left alone for a while; each worker learns it from its own calls."""

    failures_max: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row (no answer, a broken one, 500, 502, 503, 504, 52x) that eject it."""
    ejection_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 30.0
    """Seconds until one call is tried again; doubled each time that fails too."""
    ejection_longest_s: Annotated[float, Field(gt=0, le=86_400), AS_FLOAT] = 300.0
    """Where the doubling ends; after so long in service an ejection counts as the first again."""
    cooling_s: Annotated[float, Field(ge=0, le=3600), AS_FLOAT] = 5.0
    """Seconds a model is not asked of it after a 429 without a Retry-After."""
    cooling_longest_s: Annotated[float, Field(ge=0, le=86_400), AS_FLOAT] = 120.0
    """The longest Retry-After that is followed."""


class ProbeBlock(Block):
    """A free request of the gateway's own, made regularly by each worker to see whether the
    provider answers; with its credential, charged to nobody."""

    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=512)] = "/v1/models"
    """What is asked for by GET, behind base_url: something cheap that costs nothing there."""
    interval_s: Annotated[float, Field(ge=1, le=3600), AS_FLOAT] = 10.0
    """Seconds from one to the next in the mean; each wait is drawn between half of it and one and
    a half."""
    timeout_s: Annotated[float, Field(gt=0, le=60), AS_FLOAT] = 5.0
    """Seconds until the head of its answer, connecting included."""


class ProviderBlock(Block):
    """One upstream API."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {
        "api_key": "credential",
        "key": "credential",
        "token": "credential",
        "url": "base_url",
        "api_base": "base_url",
        "region": "aws.region",
        "access_key_id": "aws.access_key_id",
        "secret_access_key": "aws.secret_access_key",
        "session_token": "aws.session_token",
    }

    base_url: BaseUrl
    """Scheme, host and optional path prefix; the call's own path is added."""
    apis: Annotated[
        tuple[Literal["openai", "anthropic", "gemini", "bedrock"], ...], Field(min_length=1)
    ] = ("openai",)
    """Whose paths and formats it serves; the first provider of an API also serves what has no
    model there (lists, files)."""
    credential: Reference | None = None
    """The provider's API key, as env:NAME or file:PATH; null only with auth: none or aws-sigv4."""
    auth: Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "aws-sigv4", "none"] = (
        "bearer"
    )
    """How the credential is sent: Authorization: Bearer, or in the header of that name;
    aws-sigv4 signs each request."""
    aws: AwsBlock | None = None
    """Who signs; for auth: aws-sigv4, which requires it."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=300), AS_FLOAT] = 5.0
    """Seconds to connect, TLS included."""
    first_byte_timeout_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 300.0
    """Seconds until the answer's head; reasoning models think for minutes before it."""
    idle_timeout_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 120.0
    """Seconds of silence in the middle of an answer."""
    connections_max: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Open connections per worker; further calls wait for one."""
    keepalive_s: Annotated[float, Field(ge=0, le=3600), AS_FLOAT] = 30.0
    """Seconds an unused connection is kept; below what most load balancers allow (60)."""
    calls_max: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Metered calls it is asked at a time, per worker; null for no bound but connections_max."""
    calls_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Metered calls it is asked in a minute, per worker; null for no bound."""
    health: HealthBlock = HealthBlock()
    """When it is left alone for a while, where a model has other providers."""
    probe: ProbeBlock | None = None
    """A regular request that finds out whether it answers; null: its calls alone tell."""
    ca_file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """PEM file of the authorities to trust instead of the system's."""
    stored_objects: Literal["by_account", "shared"] = "by_account"
    """Whose the files, responses, batches … are that the provider keeps: the account's that
    created them, not found for others; or all accounts'. An API's first provider decides."""
    prices: tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...] = ()
    """Rate card files for this provider alone, looked in before the common ones: for a model that
    costs something else here."""
    costs: tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...] = ()
    """Rate card files with what this provider bills the operator: for the margin in the operator's
    dashboard, never for a charge. Without a line there a model's cost is unknown."""
