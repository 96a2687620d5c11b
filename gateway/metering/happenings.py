"""What an entry of the journal tells whoever listens: live, or by webhook. The same words for both.

| entry's kind | type |
|---|---|
| `settled`, `late` | `call.settled` |
| `expired` | `hold.expired`: a call's process died, and its last checkpoint was charged |
| `funded` | `grant.created` |
| `grant_expired`, `voided` | `grant.expired`, `grant.voided` |
| `corrected`, `debt_paid` | `balance.corrected`, `debt.paid` |
| that of a notice (`notices.py`) | the same; facts in µcr become amounts, those in ms moments |

Told as `{"type", "timestamp", "data"}`, as Standard Webhooks have it. Carries ids and numbers,
never a key, a prompt or an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.metering.admission import decimal_credits
from gateway.metering.events import integer_in, text_in, usage_in
from gateway.metering.journal import Entry
from gateway.metering.records import rfc3339

CALLS: Mapping[str, str] = {
    "settled": "call.settled",
    "late": "call.settled",
    "expired": "hold.expired",
}
MOVEMENTS: Mapping[str, str] = {
    "funded": "grant.created",
    "grant_expired": "grant.expired",
    "voided": "grant.voided",
    "corrected": "balance.corrected",
    "debt_paid": "debt.paid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """`entry_id`: the entry's place in its shard's outbox; the same whenever it is told."""

    entry_id: str
    type: str
    account_id: str
    time_ms: int
    data: Mapping[str, object]

    def document(self) -> dict[str, object]:
        return {"type": self.type, "timestamp": rfc3339(self.time_ms), "data": dict(self.data)}


def type_of(kind: str) -> str:
    """Of an entry of that kind."""
    return CALLS.get(kind) or MOVEMENTS.get(kind) or kind


def happening_of(entry: Entry) -> Happening:
    if entry.charges:
        data = _call(entry)
    elif entry.kind in MOVEMENTS:
        data = _movement(entry)
    else:
        data = {"subject": entry.operation_id, **dict(map(_fact, entry.event.items()))}
    return Happening(
        entry_id=entry.entry_id,
        type=type_of(entry.kind),
        account_id=entry.account_id,
        time_ms=entry.time_ms,
        data={"account_id": entry.account_id, **data},
    )


def amounts(ucr: int) -> dict[str, object]:
    """As the Metering API tells amounts."""
    return {"credits": decimal_credits(ucr), "microcredits": ucr}


def _call(entry: Entry) -> dict[str, object]:
    event, usage = entry.event, usage_in(entry.event)
    return {
        "request_id": entry.operation_id,
        "api_key_id": text_in(event, "key_id"),
        "provider": text_in(event, "provider"),
        "dialect": text_in(event, "dialect"),
        "model": text_in(event, "model"),
        "model_requested": text_in(event, "model_requested"),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "pieces": dict(usage.pieces),
        "charge": amounts(entry.amount_ucr),
        "debt": amounts(entry.debt_ucr),
        "provenance": text_in(event, "provenance"),
        "end": text_in(event, "end"),
        "http_status": integer_in(event, "http_status"),
        "stream": event.get("stream") is True,
        "late": entry.kind == "late",
        "duration_ms": integer_in(event, "duration_ms"),
    }


def _fact(named: tuple[str, object]) -> tuple[str, object]:
    """As the Metering API tells amounts and moments."""
    name, value = named
    if isinstance(value, int) and name.endswith("_ucr"):
        return name.removesuffix("_ucr"), amounts(value)
    if isinstance(value, int) and name.endswith("_ms"):
        return f"{name.removesuffix('_ms')}_at", rfc3339(value) if value else None
    return name, value


def _movement(entry: Entry) -> dict[str, object]:
    return {
        "operation_id": entry.operation_id,
        "amount": amounts(entry.amount_ucr),
        "debt": amounts(entry.debt_ucr),
    }
