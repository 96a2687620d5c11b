"""What this process remembers of keys, and for how long that may still be true.

Bounded in number: unknown digests, which strangers choose, cannot drive out known ones. Knows no
server; `key_watch.py` tells it of changes and until when it has heard of all of them.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from gateway.stores.identifying import KeyRecord

RECORDS_MAX = 10_000
# Without word of changes: the promise is that a revocation works everywhere within 1 s.
UNWATCHED_S = 0.9
# With it, as a second line of defence: a failover may leave us with a server nobody writes to.
WATCHED_S = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """When a look-up began: what has changed since must not be remembered as it was."""

    generation: int
    began_s: float


@dataclass(slots=True)
class Remembered:
    record: KeyRecord | None
    """None: there is no such key."""
    read_s: float
    held_s: float | None = None
    """Until when it is known to have been true, once a change may have gone unheard."""


class KeyCache:
    def __init__(self, *, records_max: int = RECORDS_MAX) -> None:
        self._records_max = records_max
        self._known: OrderedDict[str, Remembered] = OrderedDict()
        self._unknown: OrderedDict[str, Remembered] = OrderedDict()
        self._generation = 0
        self._complete_until_s = 0.0
        self._heard_s = 0.0

    @property
    def generation(self) -> int:
        """Counts the changes heard of."""
        return self._generation

    def record(self, digest: str) -> KeyRecord | None:
        """The record if it is known to exist."""
        found = self._known.get(digest)
        return found.record if found is not None and self._holds(found) else None

    def remembered(self, digest: str) -> Remembered | None:
        """What is known of the digest, be it that it leads nowhere."""
        found = self._known.get(digest) or self._unknown.get(digest)
        return found if found is not None and self._holds(found) else None

    def last_known(self, digest: str) -> tuple[KeyRecord, int] | None:
        """A record that held when the store was last heard, or has been read since; its age, ms."""
        found = self._known.get(digest)
        if found is None or found.record is None or found.read_s < self._heard_s - WATCHED_S:
            return None
        return found.record, int((time.monotonic() - self._held_s(found)) * 1000)

    def begin(self) -> Reading:
        return Reading(self._generation, time.monotonic())

    def remember(self, digest: str, record: KeyRecord | None, reading: Reading) -> None:
        if reading.generation != self._generation:
            return
        entries, others = self._known, self._unknown
        if record is None:
            entries, others = others, entries
        others.pop(digest, None)
        entries[digest] = Remembered(record, reading.began_s)
        if len(entries) > self._records_max:
            entries.popitem(last=False)

    def complete_until(self, time_s: float) -> None:
        """Every change that matters until then has been heard of (monotonic clock)."""
        self._complete_until_s = time_s
        if time_s:
            self._heard_s = time_s - UNWATCHED_S

    def forget_key(self, digest: str) -> None:
        self._generation += 1
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)

    def forget_account(self, account_id: str) -> None:
        self._generation += 1
        # Also keys that led nowhere for want of this account.
        self._unknown.clear()
        for digest, found in list(self._known.items()):
            if found.record is not None and found.record.account.account_id == account_id:
                del self._known[digest]

    def doubt_all(self) -> None:
        """Any of it may have changed unheard: look up anew, and know no better without the store
        than before. (Forgotten, a store that comes and goes would leave nobody to serve.)"""
        self._generation += 1
        self._unknown.clear()
        for found in self._known.values():
            found.held_s = self._held_s(found)

    def _held_s(self, found: Remembered) -> float:
        return max(self._heard_s, found.read_s) if found.held_s is None else found.held_s

    def _holds(self, found: Remembered) -> bool:
        if found.held_s is not None:
            return False
        now_s = time.monotonic()
        age_s = now_s - found.read_s
        return age_s < UNWATCHED_S or (age_s < WATCHED_S and now_s < self._complete_until_s)
