"""One line of the spool: `<CRC-32, 8 hex digits> <bytes of JSON> <JSON>`, ended by a newline.

Either a settlement or the note that everything before some offset is confirmed. JSON has no raw
newline, so damage of one line leaves the others readable. Pure; knows no file.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from zlib import crc32

import orjson

from gateway.metering.events import End, UsageEvent
from gateway.metering.ledger import Settle
from gateway.metering.limits import Charge
from gateway.metering.usage import Provenance, Usage
from gateway.stores.stored_limit import limit_of

PARTS = 3


def payload_for(ask: Settle) -> bytes:
    # orjson writes dataclasses by their fields, and enums by their values.
    return orjson.dumps(ask)


def payload_for_confirmed(offset: int) -> bytes:
    return b"%d" % offset


def line_of(payload: bytes) -> bytes:
    return b"%s %d %s\n" % (_checksum(payload), len(payload), payload)


def payload_of(line: bytes) -> bytes | None:
    """The JSON of a whole line; None if it is torn or damaged."""
    parts = line.split(b" ", 2)
    if len(parts) != PARTS or not line.endswith(b"\n"):
        return None
    payload = parts[2][:-1]
    if parts[0] != _checksum(payload) or parts[1] != b"%d" % len(payload):
        return None
    return payload


def confirmed_of(payload: bytes) -> int | None:
    """The offset, if this is a confirmation; None for a settlement."""
    return int(payload) if payload.isdigit() else None


def settle_of(payload: bytes) -> Settle:
    content = orjson.loads(payload)
    return Settle(
        hold_id=content["hold_id"],
        account_id=content["account_id"],
        charges=tuple(_charge(charge) for charge in content["charges"]),
        amounts=tuple(content["amounts"]),
        event=_event(content["event"]),
        observe=content["observe"],
    )


def _checksum(payload: bytes) -> bytes:
    return b"%08x" % crc32(payload)


def _charge(content: Mapping[str, Any]) -> Charge:
    return Charge(**_known(Charge, content, limit=limit_of(content["limit"])))


def _event(content: Mapping[str, Any]) -> UsageEvent:
    return UsageEvent(
        **_known(
            UsageEvent,
            content,
            usage=_usage(content["usage"]),
            provenance=Provenance(content["provenance"]),
            end=End(content["end"]),
        )
    )


def _usage(content: Mapping[str, Any]) -> Usage:
    pieces = tuple((str(name), int(count)) for name, count in content.get("pieces", ()))
    return Usage(**_known(Usage, content, pieces=pieces))


def _known(
    kind: type[Charge | UsageEvent | Usage], content: Mapping[str, Any], **decoded: object
) -> dict[str, Any]:
    """The fields we have; a newer version, rolled back since, may have written more."""
    return {
        each.name: decoded.get(each.name, content[each.name])
        for each in fields(kind)
        if each.name in content
    }
