"""What can be asked of the history, and how it answers. Times are ms of the ledger's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.metering.journal import Entry
from gateway.metering.usage import Pieces, TokenClass, Usage
from gateway.values import call_value

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Dimension(StrEnum):
    """What usage and costs can be divided by."""

    MODEL = "model"
    KEY = "api_key_id"
    DIALECT = "dialect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Sums of one account over buckets of `width_ms`, a minute, an hour or a day (UTC).

    `start_ms` is included, `end_ms` is not; both are whole buckets. Empty filters let all pass.
    """

    account_id: str
    start_ms: int
    end_ms: int
    width_ms: int
    by: tuple[Dimension, ...] = ()
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


Group = tuple[str, ...]
"""The values of the dimensions asked for, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSum:
    """`tokens`: by class, in the order of `TokenClass`."""

    bucket_ms: int
    group: Group
    requests: int
    tokens: tuple[int, ...]
    charge_ucr: int
    pieces: Pieces = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSum:
    """`kind` and `name` as in a receipt's lines. The amounts of all lines add up to the charges."""

    bucket_ms: int
    group: Group
    kind: str
    name: str
    quantity: int
    amount_ucr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSum:
    """Records of all accounts that are alike in whose model it was and how it ended. What they cost
    is known of `costed` of them, which were charged `costed_ucr`."""

    provider: str
    model: str
    provenance: str
    end: str
    kind: str
    entries: int
    requests: int
    charge_ucr: int
    beyond_ucr: int
    """Charged beyond what was held."""
    costed: int
    costed_ucr: int
    scaled_cost: int
    """What providers bill, in 1/10⁸ µcr."""


@call_value
class Record:
    """One usage event as it was charged. Of a call whose hold expired before it was settled there
    are two: `late` carries what the settlement added (it may be less than nothing of a class), so
    that any sum over records is right. `requests` is 0 there, 1 otherwise."""

    record_id: int
    account_id: str
    time_ms: int
    key_id: str
    request_id: str
    kind: str
    provider: str
    dialect: str
    model_requested: str
    model: str
    rate_version: str
    rate_id: str
    started_ms: int
    stream: bool
    provenance: str
    end: str
    http_status: int
    requests: int
    tokens: tuple[int, ...]
    pieces: Pieces
    service_tier: str
    held_ucr: int
    charge_ucr: int
    debt_ucr: int
    observed_ucr: int
    ttfb_ms: int
    duration_ms: int
    scaled_cost: int | None
    """What its provider bills, in 1/10⁸ µcr; None: not known."""

    @property
    def usage(self) -> Usage:
        tokens = dict(zip(map(str, TokenClass), self.tokens, strict=True))
        return Usage(**tokens, pieces=self.pieces, service_tier=self.service_tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records of all accounts. Those behind `before`, a record's id, are looked through, at
    most `looked_at` of them, for `limit` that were charged from `start_ms` on. Empty filters let
    all pass."""

    start_ms: int
    before: int | None
    looked_at: int
    limit: int
    accounts: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    provenances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Newest:
    """What was found, newest first. `looked_to`: the record behind which to look further; None:
    there are no more."""

    records: Sequence[Record]
    looked_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """An entry of the journal with what the account was worth after it. `number` ascends with
    time; within an account it never repeats."""

    number: int
    entry: Entry
    balance_ucr: int
    hash: bytes

    @property
    def balance_before_ucr(self) -> int:
        return self.balance_ucr - self.entry.effect_ucr
