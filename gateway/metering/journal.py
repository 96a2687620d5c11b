"""What the journal is made of: movements of credit as the ledger wrote them, chained by hash.

An entry is what one script of the ledger did to one account. Each shard has a chain of its own:
an entry's hash is SHA-256 over the hash before it and the entry's fields, so that whoever changes,
drops or inserts one must rewrite all that follow.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from zlib import crc32

from gateway.values import call_value, maker

SHARDS = 64
"""As many chains as the ledger has outboxes; fixed at installation."""
NO_HASH = bytes(32)
"""Before the first entry of a chain."""
START = "0-0"
"""The position before the first entry of an outbox."""

Slices = tuple[tuple[str, int], ...]
"""Grant and µcr."""


@call_value
class Entry:
    """One movement (`kind`: one of MOVEMENTS), or a notice beside it (`notices.py`).

    `amount_ucr` is what this entry charged (or funded, or lapsed, or took back); `slices` which
    grants paid. For settled, expired, late, voided, corrected and debt_paid (which charges nothing
    and carries a negative debt): amount = Σ slices + debt + observed.
    `event` is the decoded usage event, or what a grant or correction was `given` as, so that it
    can be given again; empty for other movements. `event_text` is the same as it was written.
    `entry_id`: `<ms of the ledger's clock>-<number within it>`.
    """

    entry_id: str
    kind: str
    account_id: str
    operation_id: str
    amount_ucr: int
    debt_ucr: int
    observed_ucr: int
    slices: Slices
    event: Mapping[str, object] = field(default_factory=dict)
    event_text: str = ""

    @property
    def time_ms(self) -> int:
        return int(self.entry_id.partition("-")[0])

    @property
    def charges(self) -> bool:
        """Whether it is the end of a call that was served."""
        return self.kind in CHARGING

    @property
    def effect_ucr(self) -> int:
        """What it does to what an account is worth: its credit, held or not, less its debt."""
        if self.kind == FUNDED:
            return self.amount_ucr
        return -sum([amount for _, amount in self.slices]) - self.debt_ucr


make_entry = maker(Entry)
"""For what is drained: one for each call."""

FUNDED = "funded"
LAPSED = "grant_expired"
TAKEN_BACK = frozenset({"voided", "corrected"})
CHARGING = frozenset({"settled", "expired", "late"})
ROLLED_OVER = "rolled_over"
MOVEMENTS = (*sorted(CHARGING), FUNDED, LAPSED, ROLLED_OVER, "debt_paid", *sorted(TAKEN_BACK))
"""What a statement lists. Rolling over moves nothing: it tells what did not lapse."""


def shard_of(account_id: str) -> int:
    return crc32(account_id.encode()) % SHARDS


def slices_text(slices: Slices) -> str:
    return " ".join([f"{grant_id} {amount}" for grant_id, amount in slices])


def slices_of(text: str) -> Slices:
    words = text.split()
    return tuple(zip(words[::2], map(int, words[1::2]), strict=True))


def chained(before: bytes, entry: Entry) -> bytes:
    """The entry's hash. Each field goes in behind its length: no two entries read the same."""
    fields = [
        entry.entry_id,
        entry.kind,
        entry.account_id,
        entry.operation_id,
        str(entry.amount_ucr),
        str(entry.debt_ucr),
        str(entry.observed_ucr),
        slices_text(entry.slices),
        entry.event_text,
    ]
    encoded = list(map(str.encode, fields))
    framed = _FRAMED % tuple(chain.from_iterable(zip(map(len, encoded), encoded, strict=True)))
    return hashlib.sha256(before + framed).digest()


_FRAMED = b"%d:%b," * 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one shard's outbox has come into the history, and the chain with it."""

    entry_id: str = START
    entries: int = 0
    hash: bytes = NO_HASH

    def covers(self, entry: Entry) -> bool:
        """Whether the entry, of the same shard, has come into the history."""
        return _parts(entry.entry_id) <= _parts(self.entry_id)


def _parts(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)


@dataclass(frozen=True, slots=True)
class Drained:
    """Entries of one shard in the outbox's order, all behind `after`."""

    shard: int
    after: str
    entries: Sequence[Entry]
