"""A settlement as stores write it: orjson's object of a `Settle`, and the way back. Pure."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

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
