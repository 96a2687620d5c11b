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
    ca_file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """PEM file of the authorities to trust instead of the system's."""
    prices: tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...] = ()
    """Rate card files for this provider alone, looked in before the common ones: for a model that
    costs something else here."""
