"""One line of the spool: `<CRC-32, 8 hex digits> <bytes of JSON> <JSON>`, ended by a newline.

Either a settlement, a job whose hold is kept, or the note that everything before some offset is
confirmed. JSON has no raw newline, so damage of one line leaves the others readable. Pure; knows
no file.
"""

from zlib import crc32

import orjson

from gateway.metering.jobs import Keep
from gateway.metering.ledger import Settle
from gateway.stores.stored_job import keep_of
from gateway.stores.stored_settle import settle_of

PARTS = 3


def payload_for(ask: Settle | Keep) -> bytes:
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
    """The offset, if this is a confirmation; None for anything else."""
    return int(payload) if payload.isdigit() else None


def ask_of(payload: bytes) -> Settle | Keep:
    content = orjson.loads(payload)
    return keep_of(content) if "lease_ms" in content else settle_of(content)


def _checksum(payload: bytes) -> bytes:
    return b"%08x" % crc32(payload)
