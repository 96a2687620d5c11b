"""A settlement as stores write it: orjson's object of a `Settle`, and the way back. Pure.

An event that stands by itself is written shorter, for there is one of each call: see `event_text`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from itertools import compress
from operator import attrgetter
from typing import Any

import orjson

from gateway.metering.events import End, UsageEvent
from gateway.metering.hedging import CutOff
from gateway.metering.ledger import Settle
from gateway.metering.limits import Charge
from gateway.metering.usage import Provenance, Usage
from gateway.stores.stored_limit import limit_of


def settle_of(content: Mapping[str, Any]) -> Settle:  # Any: as orjson types what it read
    return Settle(
        hold_id=content["hold_id"],
        account_id=content["account_id"],
        charges=tuple(_charge(charge) for charge in content["charges"]),
        amounts=tuple(content["amounts"]),
        event=event_of(content["event"]),
        observe=content["observe"],
        job=content.get("job", ""),
    )


def usage_of(content: Mapping[str, Any]) -> Usage:  # Any: as above
    pieces = tuple((str(name), int(count)) for name, count in content.get("pieces", ()))
    return Usage(**known(Usage, content, pieces=pieces))


def known(
    kind: type, content: Mapping[str, Any], **decoded: object
) -> dict[str, Any]:  # Any: as above
    """The fields we have; a newer version, rolled back since, may have written more."""
    return {
        each.name: decoded.get(each.name, content[each.name])
        for each in fields(kind)
        if each.name in content
    }


def _charge(content: Mapping[str, Any]) -> Charge:
    return Charge(**known(Charge, content, limit=limit_of(content["limit"])))


def _cut_off(content: Mapping[str, Any] | None) -> CutOff | None:  # Any: as above
    return None if content is None else CutOff(**known(CutOff, content))


def event_of(content: Mapping[str, Any]) -> UsageEvent:  # Any: as above
    return UsageEvent(
        **known(
            UsageEvent,
            content,
            usage=usage_of(content["usage"]),
            provenance=Provenance(content["provenance"]),
            end=End(content["end"]),
            cut_off=_cut_off(content.get("cut_off")),
        )
    )


def event_text(event: UsageEvent) -> bytes:
    """What `event_of` reads. Left out is what a call has not: unused classes and pieces, and what
    is rare. Names that come again with the next call are not encoded anew."""
    used = _used(event.usage)
    return _EVENT % (
        orjson.dumps(event.event_id),
        _names(
            event.account_id,
            event.key_id,
            event.provider,
            event.dialect,
            event.model_requested,
            event.model,
            event.rate_version,
            event.rate_id,
            event.provenance._value_,
            event.end._value_,
        ),
        event.started_ms,
        b"true" if event.stream else b"false",
        orjson.dumps(dict(compress(zip(_USAGE, used, strict=True), used))),
        event.http_status,
        event.held_ucr,
        event.charge_ucr,
        event.ttfb_ms,
        event.duration_ms,
        event.attempts,
        _rare(event) if event.unmapped or event.cut_off is not None else b"",
    )


_EVENT = (
    b'{"event_id":%b,%b,"started_ms":%d,"stream":%b,"usage":%b,"http_status":%d,"held_ucr":%d,'
    b'"charge_ucr":%d,"ttfb_ms":%d,"duration_ms":%d,"attempts":%d%b}'
)
_USAGE = tuple(each.name for each in fields(Usage))
_used: Callable[[Usage], tuple[object, ...]] = attrgetter(*_USAGE)
_NAMES = (
    *("account_id", "key_id", "provider", "dialect", "model_requested", "model"),
    *("rate_version", "rate_id", "provenance", "end"),
)


@lru_cache(maxsize=4096)
def _names(*values: str) -> bytes:
    """Members of an object, without its braces."""
    return orjson.dumps(dict(zip(_NAMES, values, strict=True)))[1:-1]


def _rare(event: UsageEvent) -> bytes:
    rest = orjson.dumps({"cut_off": event.cut_off, "unmapped": event.unmapped})
    return b"," + rest[1:-1]
