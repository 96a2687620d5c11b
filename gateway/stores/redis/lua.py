"""The ledger's scripts as the server gets them: what they share in front, one file each behind.

Knows files and digests only; what the scripts take and answer stands in their headers.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from gateway.metering.ledger import AMPLE, PLENTY


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    body: bytes
    digest: bytes
    """SHA-1 of the body, the name under which the server caches it."""
    by_digest: bytes
    """The beginning of a call in RESP, after the number of its parts: EVALSHA, digest."""
    whole: bytes
    """The same of a call that brings the script along: EVAL, body."""


def _load(name: str, *shared: str) -> Script:
    parts = list(map(_text, (*shared, name)))
    if shared and shared[0] == "state":
        # Made inside a function, functions take from around it what is there at hardly any cost.
        parts = [parts[0], "return (function()", *parts[1:], "end)()"]
    return script(name, *parts)


def _load_calls() -> Script:
    """Most calls are plain: what the others need is made for the first of them."""
    whole = map(_text, (*_MONEY, "holds", *_OPERATIONS.values()))
    made = ", ".join(f"[{ord(letter)}] = {name}" for letter, name in _OPERATIONS.items())
    return script(
        "calls",
        _text("state"),
        "return (function()",
        *map(_text, ("packing", "held", "day", "plain")),
        "local function operations()",
        *whole,
        f"return {{begin = begin, {made}}}",
        "end",
        _text("calls"),
        "end)()",
    )


def _text(name: str) -> str:
    return (files(__package__) / "scripts" / f"{name}.lua").read_text("utf-8")


def script(name: str, *parts: str) -> Script:
    body = "\n".join([f"local AMPLE, PLENTY = {AMPLE}, {PLENTY}", *parts]).encode()
    # SHA-1 is the server's choice of a cache key, nothing secret hangs on it.
    digest = hashlib.sha1(body, usedforsecurity=False).hexdigest().encode()
    by_digest = b"$7\r\nEVALSHA\r\n$%d\r\n%b\r\n" % (len(digest), digest)
    whole = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(body), body)
    return Script(name=name, body=body, digest=digest, by_digest=by_digest, whole=whole)


_MONEY = "common", "alerts"
_ALONE = "state", "packing", *_MONEY
_GRANTS = *_ALONE, "forget"
_HOLDS = *_ALONE, "held", "day", "holds"
_OPERATIONS = {"r": "reserve", "e": "extend", "s": "settle", "f": "release"}

GRANT = _load("grant", *_GRANTS)
VOID = _load("void", *_GRANTS)
CORRECT = _load("correct", *_GRANTS)
CALLS = _load_calls()
KEEP = _load("keep", *_HOLDS)
EXPIRE = _load("expire", *_HOLDS)
HOLD = _load("hold", "packing", "held")
BALANCE = _load("balance", *_GRANTS)
LOOK = _load("look", *_ALONE)
MOVE = _load("move")
SWAP = _load("swap")
TRIM = _load("trim")
CLAIM = _load("claim")
DUE = _load("due")
LEAD = _load("lead")
LEASE = _load("lease")
BURY = _load("bury")
REDRIVE = _load("redrive")
BACKLOG = _load("backlog")
SEAL = _load("seal")
MARK = _load("mark")
RESOLVE = _load("resolve")
TOGETHER = _load("together")
ENROL = _load("enrol")
COUNT = _load("count")

OF_LEDGER = (
    GRANT,
    VOID,
    CORRECT,
    CALLS,
    KEEP,
    EXPIRE,
    HOLD,
    BALANCE,
    LOOK,
    CLAIM,
    DUE,
)
OF_OUTBOX = (TRIM, LEAD, LEASE, BURY, REDRIVE, BACKLOG, SEAL, MARK, RESOLVE)
SCRIPTS = (*OF_LEDGER, *OF_OUTBOX, TOGETHER, ENROL, COUNT)
