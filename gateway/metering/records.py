"""The usage record: what every sink is sent of one settlement, as a CloudEvent.

Flat, scalars only, at most 50 fields of at most 40 characters: the one shape that OpenMeter's
JSONPath, Lago's properties, a row of a table and a line of CSV all take without change. Carries
ids and numbers, never a key, a prompt or an answer. Everything is fixed when the call is settled,
so that a record sent again is the same record (CloudEvents 1.0.2, JSON format 1.0.2).

| field | from |
|---|---|
| `input_tokens`, `output_tokens`, `total_tokens` | the sums of the disjoint classes below them |
| `input_uncached_tokens` … `output_image_tokens` | one for each class; none overlaps another |
| `pieces_<kind>` | what is sold by the piece, by kind, where any was used |
| `charge_microcredits`, `charge_usd` | what was charged; US dollars at the present peg |
| `debt_microcredits`, `observed_microcredits` | the parts of the charge that no credit covered |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.metering.events import UsageEvent
from gateway.metering.usage import NOTHING, Provenance, TokenClass, Usage, by_kind
from gateway.values import call_value

TYPE = "dev.tollkeeper.usage.settled.v1"
SPEC_VERSION = "1.0"
FIELDS_MAX = 50
# What remains of FIELDS_MAX beside the fields every record has; a call uses one kind or two.
PIECE_KINDS_MAX = 12
USD_PLACES = 15
COUNT_SOURCES = {
    Provenance.REPORTED: "provider",
    Provenance.COUNTED: "counted",
    Provenance.HELD: "held",
}

Scalar = str | int | bool


@call_value
class Settlement:
    """What the ledger wrote of a call's end. `charge_ucr` is what this entry charged: of a call
    that settled after its hold had expired, what the expiry (`known`) had not charged yet."""

    event: UsageEvent
    charge_ucr: int
    debt_ucr: int
    observed_ucr: int
    settled_ms: int
    late: bool = False
    known: Usage | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where records come from. `urn` names the installation, not one of its processes."""

    urn: str
    usd_nanos_per_credit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`usage`: the classes and kinds of pieces that occurred, by name."""

    record_id: str
    source: str
    account_id: str
    settled_ms: int
    model: str
    provider: str
    charge_ucr: int
    usage: Mapping[str, int]
    data: Mapping[str, Scalar]

    @property
    def time(self) -> str:
        """RFC 3339, UTC, to the millisecond."""
        return rfc3339(self.settled_ms)

    def cloud_event(self) -> dict[str, object]:
        return {
            "specversion": SPEC_VERSION,
            "id": self.record_id,
            "source": self.source,
            "type": TYPE,
            "subject": self.account_id,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": dict(self.data),
        }


def usage_record(settlement: Settlement, source: Source) -> Record:
    event = settlement.event
    usage = _less(event.usage, settlement.known or NOTHING)
    pieces = _few(dict(by_kind(usage.pieces)))
    # The expiry told of the first part under the request's own id.
    second = settlement.known is not None
    record_id = f"{event.event_id}.late" if second else event.event_id
    return Record(
        record_id=record_id,
        source=source.urn,
        account_id=event.account_id,
        settled_ms=settlement.settled_ms,
        model=event.model,
        provider=event.provider,
        charge_ucr=settlement.charge_ucr,
        usage={name: count for name, count in (*_classes(usage), *pieces.items()) if count},
        data={
            **_who(event),
            **_tokens(usage),
            **{f"pieces_{kind}": count for kind, count in pieces.items()},
            **_money(settlement, source),
            **_how(settlement),
        },
    )


def _who(event: UsageEvent) -> dict[str, Scalar]:
    return {
        "account_id": event.account_id,
        "key_id": event.key_id,
        "provider": event.provider,
        "operation": event.dialect,
        "model_requested": event.model_requested,
        "model": event.model,
        "service_tier": event.usage.service_tier,
    }


def _tokens(usage: Usage) -> dict[str, Scalar]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        **{f"{name}_tokens": count for name, count in _classes(usage)},
    }


def _money(settlement: Settlement, source: Source) -> dict[str, Scalar]:
    return {
        "rate_version": settlement.event.rate_version,
        "charge_microcredits": settlement.charge_ucr,
        "charge_usd": usd_text(settlement.charge_ucr, source.usd_nanos_per_credit),
        "debt_microcredits": settlement.debt_ucr,
        "observed_microcredits": settlement.observed_ucr,
        "hold_microcredits": settlement.event.held_ucr,
    }


def _how(settlement: Settlement) -> dict[str, Scalar]:
    event = settlement.event
    return {
        "request_id": event.event_id,
        "count_source": COUNT_SOURCES[event.provenance],
        "status": event.end.value,
        "late": settlement.late,
        "stream": event.stream,
        "http_status": event.http_status,
        "started_at": rfc3339(event.started_ms),
        "first_byte_ms": event.ttfb_ms,
        "duration_ms": event.duration_ms,
    }


def usd_text(ucr: int, usd_nanos_per_credit: int) -> str:
    """Exact, without trailing zeros: µcr times nanodollars per credit are 10⁻¹⁵ dollars."""
    whole, part = divmod(ucr * usd_nanos_per_credit, 10**USD_PLACES)
    return f"{whole}.{part:0{USD_PLACES}d}".rstrip("0").rstrip(".")


def rfc3339(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _classes(usage: Usage) -> list[tuple[str, int]]:
    return list(zip((name.value for name in TokenClass), usage.in_order(), strict=True))


def _less(usage: Usage, known: Usage) -> Usage:
    """What is in `usage` beyond `known`, by class and piece; never negative."""
    if known == NOTHING:
        return usage
    tokens = {
        name: max(0, count - before)
        for (name, count), (_, before) in zip(_classes(usage), _classes(known), strict=True)
    }
    before = dict(known.pieces)
    pieces = tuple(
        (name, count - before.get(name, 0))
        for name, count in usage.pieces
        if count > before.get(name, 0)
    )
    return Usage(**tokens, pieces=pieces, service_tier=usage.service_tier)


def _few(pieces: dict[str, int]) -> dict[str, int]:
    """All kinds, or the first ones by name and the rest as `other`."""
    if len(pieces) <= PIECE_KINDS_MAX:
        return pieces
    names = sorted(pieces)
    first = {name: pieces[name] for name in names[: PIECE_KINDS_MAX - 1]}
    return first | {"other": sum(pieces[name] for name in names[PIECE_KINDS_MAX - 1 :])}
