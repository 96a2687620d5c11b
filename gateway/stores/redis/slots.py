"""Which of a cluster's 16 384 slots a command belongs to: pure, from the command's first key.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, seen 2026-11. Every
command and script of ours keeps its keys in one slot (`layout.py`): the first speaks for all.
"""

import binascii
from functools import lru_cache

from gateway.stores.redis.wire import Part, Request

SLOTS = 16_384
ANY = -1
"""No key: any node can answer."""

_WITHOUT_KEY = frozenset({"PING", "TIME", "ECHO", "PUBLISH", "SCRIPT"})
# Where the key stands in those that name something else before it.
_KEY_AT = {"XGROUP": 2, "XINFO": 2}


def slot_of_command(parts: tuple[Part, ...]) -> int:
    name = str(parts[0])
    if name in _WITHOUT_KEY:
        return ANY
    at = parts.index("STREAMS") + 1 if name == "XREADGROUP" else _KEY_AT.get(name, 1)
    key = parts[at]
    return slot_of_key(key if isinstance(key, bytes) else str(key).encode())


def slot_of_request(request: Request) -> int:
    """Of a script: its keys begin after their number."""
    encoded = request[1]
    return slot_of_key(first_key(encoded, encoded.index(b"\n", encoded.index(b"\n") + 1) + 1))


def first_key(encoded: bytes, at: int = 0) -> bytes:
    """Of keys as they are sent, which begin there: `$` and the size, then the key."""
    size_end = encoded.index(b"\n", at)
    size = int(encoded[at + 1 : size_end - 1])
    return encoded[size_end + 1 : size_end + 1 + size]


def slot_of_key(key: bytes) -> int:
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            return _slot_of_tag(key[start + 1 : end])
    return _slot(key)


def _slot(hashed: bytes) -> int:
    # The polynomial of CRC-16/XMODEM, which the cluster's specification asks for.
    return binascii.crc_hqx(hashed, 0) % SLOTS


# The 64 shards, again and again.
_slot_of_tag = lru_cache(maxsize=256)(_slot)
