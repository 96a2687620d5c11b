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
    folder = files(__package__) / "scripts"
    parts = [(folder / f"{part}.lua").read_text("utf-8") for part in (*shared, name)]
    body = "\n".join([f"local AMPLE, PLENTY = {AMPLE}, {PLENTY}", *parts]).encode()
    # SHA-1 is the server's choice of a cache key, nothing secret hangs on it.
    digest = hashlib.sha1(body, usedforsecurity=False).hexdigest().encode()
    by_digest = b"$7\r\nEVALSHA\r\n$%d\r\n%b\r\n" % (len(digest), digest)
    whole = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(body), body)
    return Script(name=name, body=body, digest=digest, by_digest=by_digest, whole=whole)


GRANT = _load("grant", "common")
VOID = _load("void", "common")
CORRECT = _load("correct", "common")
RESERVE = _load("reserve", "common")
EXTEND = _load("extend", "common", "holds")
SETTLE = _load("settle", "common", "holds")
RELEASE = _load("release", "common", "holds")
KEEP = _load("keep", "common", "holds")
EXPIRE = _load("expire", "common", "holds")
BALANCE = _load("balance", "common")
TRIM = _load("trim")
CLAIM = _load("claim")
LEAD = _load("lead")
LEASE = _load("lease")
BURY = _load("bury")
REDRIVE = _load("redrive")
BACKLOG = _load("backlog")
SEAL = _load("seal")
RESOLVE = _load("resolve")

OF_LEDGER = (GRANT, VOID, CORRECT, RESERVE, EXTEND, SETTLE, RELEASE, KEEP, EXPIRE, BALANCE, CLAIM)
OF_OUTBOX = (TRIM, LEAD, LEASE, BURY, REDRIVE, BACKLOG, SEAL, RESOLVE)
SCRIPTS = (*OF_LEDGER, *OF_OUTBOX)
