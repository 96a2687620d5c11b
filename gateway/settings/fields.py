"""The kinds of values settings are made of: strict, bounded, each with its JSON Schema.

A value that is wrong raises `wrong(expected, suggestion)`; what came is added by whoever reports
it, who knows whether it may be shown, unless the rule itself says it better.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.metering.accounts import valid_name
from gateway.metering.alerts import alert_of
from gateway.metering.pieces import PIECES, SERVICE_TIERS, piece_kind, valid_piece
from gateway.settings.problems import did_you_mean

WRONG = "wrong"
GLOB_SYMBOLS = "*?["


class Block(BaseModel):
    """A mapping with known keys only. Nothing is converted silently, no input is echoed."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )
    elsewhere_called: ClassVar[Mapping[str, str]] = {}
    """What people write for a key → the key, where spelling alone would not lead there."""


def wrong(expected: str, suggestion: str, *, came: str = "") -> PydanticCustomError:
    return PydanticCustomError(
        WRONG, "{expected}", {"expected": expected, "suggestion": suggestion, "came": came}
    )


def _decimal(value: object) -> object:
    """Text or a plain number, exactly as written."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise wrong("a decimal number", 'Write it as "12.50": digits, a point, no unit.')


def _seconds(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value


def _name(value: str) -> str:
    if not valid_name(value):
        raise wrong(
            "a name of 1 to 64 letters, digits, '.', '_' or '-'",
            "Choose a plain name; spaces and other signs are for display names.",
        )
    return value


def _model_glob(value: str) -> str:
    if not re.fullmatch(r"[^\s\x00-\x1f]{1,200}", value):
        raise wrong("a model name or glob without blanks", 'Write for example "gpt-4.1-*".')
    return value


def _model_name(value: str) -> str:
    if any(symbol in value for symbol in GLOB_SYMBOLS):
        raise wrong("one model's exact name, not a glob", "Name the one model that is meant.")
    return _model_glob(value)


def _piece(value: str) -> str:
    if piece_kind(value) not in PIECES:
        raise wrong(
            "something that is sold by the piece", did_you_mean(piece_kind(value), [*PIECES])
        )
    if not valid_piece(value):
        raise wrong(
            "a name of parts joined by dots",
            "Write the kind, or more of it: image, image.hd, image.hd.1024x1792.",
        )
    return value


def _tier(value: str) -> str:
    if value not in SERVICE_TIERS:
        raise wrong("a service tier", did_you_mean(value, [*SERVICE_TIERS]))
    return value


def _reference(value: str) -> str:
    if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", value):
        raise wrong(
            "a reference to a secret, never the secret itself",
            "Write env:NAME (an environment variable) or file:PATH (a mounted file).",
        )
    return value


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("an http or https URL", _URL_EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not valid_port:
        raise wrong("an http or https URL", _URL_EXAMPLE)
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"\s", value):
        raise wrong("a URL of scheme, host, port and path only", _URL_EXAMPLE)
    return value.rstrip("/")


_URL_EXAMPLE = "Write for example https://api.openai.com."


# Of one server; of a master that sentinels name; of a cluster.
STORE_SCHEMES = (
    *("redis://", "rediss://", "unix://"),
    *("redis+sentinel://", "rediss+sentinel://", "redis+cluster://", "rediss+cluster://"),
)


STORE_URL_PATTERN = r"^(rediss?(\+sentinel|\+cluster)?://|unix://|env:|file:)"


def _store_url(value: str) -> str:
    if value.startswith(("env:", "file:")):
        return _reference(value)
    if not value.startswith(STORE_SCHEMES):
        raise wrong(
            "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL, or a "
            "reference to one",
            "Write for example redis://127.0.0.1:6379/0, or null for the embedded server.",
        )
    # A URL without a password may stand here; one with a password is a secret.
    if "@" in value or "password=" in value:
        raise wrong(
            "a URL without a password, or a reference to a secret",
            "Put the whole URL into a variable and write env:NAME.",
        )
    return value


def _history_url(value: str) -> str:
    if value == "sqlite":
        return value
    if not value.startswith(("env:", "file:")):
        raise wrong(
            "sqlite, or a reference to a database's URL",
            "Put the whole URL into a variable and write env:NAME.",
        )
    return _reference(value)


def _version(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", value):
        raise wrong(
            "a version of 1 to 32 letters, digits, '.', '_' or '-'",
            'Write for example version: "openai-2026-11-23".',
        )
    return value


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise wrong("a date", "Write it as 2026-11-23.") from None


def _alert(value: str) -> str:
    if alert_of(value) is None:
        raise wrong(
            "a part that is used up, or credits that are left",
            'Write for example "80%", or "20" for 20 credits.',
        )
    return value


def _instant_ms(value: object) -> int:
    """A day (its first moment, UTC) or a moment with its offset, in ms since 1970."""
    suggestion = "Write a day (2027-01-01, from 00:00 UTC) or a moment (2027-01-01T12:00:00Z)."
    if not isinstance(value, str):
        raise wrong("a date or a moment", suggestion)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            moment = datetime.combine(date.fromisoformat(value), time(), UTC)
        else:
            moment = datetime.fromisoformat(value)
    except ValueError:
        raise wrong("a date or a moment", suggestion) from None
    if moment.tzinfo is None or moment.year < 1971:  # noqa: PLR2004 - 0 ms means "never"
        raise wrong("a moment with its offset from UTC, after 1970", suggestion)
    return int(moment.timestamp() * 1000)


_DECIMAL_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]{1,20}(\.[0-9]{1,20})?$"},
    ]
}

_AS_WRITTEN = BeforeValidator(_decimal)
# For seconds: the one place where a fraction may become a float.
AS_FLOAT = BeforeValidator(_seconds)

# 100 000 dollars for a million tokens is far above any price; it catches µ$ and cents typed.
Usd = Annotated[
    Decimal,
    _AS_WRITTEN,
    Field(ge=0, le=100_000, max_digits=20, decimal_places=12),
    WithJsonSchema(_DECIMAL_SCHEMA),
]
# Far above any picture or search; it catches a price per thousand written as one for each.
UsdPerPiece = Annotated[
    Decimal,
    _AS_WRITTEN,
    Field(ge=0, le=1_000, max_digits=20, decimal_places=15),
    WithJsonSchema(_DECIMAL_SCHEMA),
]
# An amount must stay below 2⁵³ microcredits, and a microcredit is the smallest there is.
Credits = Annotated[
    Decimal,
    _AS_WRITTEN,
    Field(ge=0, le=9_007_199_254, max_digits=18, decimal_places=6),
    WithJsonSchema(_DECIMAL_SCHEMA),
]
PlainDecimal = Annotated[Decimal, _AS_WRITTEN, WithJsonSchema(_DECIMAL_SCHEMA)]
Name = Annotated[str, AfterValidator(_name)]
ModelGlob = Annotated[str, AfterValidator(_model_glob)]
ModelName = Annotated[str, AfterValidator(_model_name)]
PieceName = Annotated[str, AfterValidator(_piece)]
TierName = Annotated[str, AfterValidator(_tier)]
Reference = Annotated[
    str, AfterValidator(_reference), WithJsonSchema({"type": "string", "pattern": "^(env|file):.+"})
]
BaseUrl = Annotated[
    str, AfterValidator(_base_url), WithJsonSchema({"type": "string", "pattern": "^https?://"})
]
StoreUrl = Annotated[
    str,
    AfterValidator(_store_url),
    WithJsonSchema({"type": "string", "pattern": STORE_URL_PATTERN}),
]
HistoryUrl = Annotated[
    str,
    AfterValidator(_history_url),
    WithJsonSchema({"type": "string", "pattern": "^(sqlite$|env:|file:)"}),
]
Version = Annotated[
    str,
    AfterValidator(_version),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,32}$"}),
]
Day = Annotated[
    str,
    AfterValidator(_day),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}),
]
InstantMs = Annotated[
    int,
    BeforeValidator(_instant_ms),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"}),
]
AlertText = Annotated[
    str,
    AfterValidator(_alert),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}%$|^[0-9]{1,10}(\.[0-9]{1,6})?$"}),
]
ExternalId = Annotated[str, Field(pattern="^[!-~]{1,255}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, Field(min_length=1, max_length=255)]
