"""The metrics of the ledger: holds, settlements on their way, the history that follows it."""

from gateway.telemetry.family import MS_PER_S, Family, Kind, Merge

HOLDS_EXPIRED = Family(
    name="tollkeeper_holds_expired_total",
    kind=Kind.COUNTER,
    help="Holds whose lease ran out: their process died or lost the ledger.",
)
LATE_SETTLES = Family(
    name="tollkeeper_late_settles_total",
    kind=Kind.COUNTER,
    help="Settlements that came after their hold had expired or was lost; charged once.",
)
SPOOLED_SETTLES = Family(
    name="tollkeeper_spooled_settles_total",
    kind=Kind.COUNTER,
    help="Settlements written to the local spool because the ledger did not answer.",
)
RESTORED_SETTLES = Family(
    name="tollkeeper_restored_settles_total",
    kind=Kind.COUNTER,
    help="Settlements that the ledger confirmed and lost; asked again and charged. An incident.",
)
SHARDS_CLOSED = Family(
    name="tollkeeper_shards_closed",
    kind=Kind.GAUGE,
    help="Shards of the ledger that lost what they had and admit no calls. An incident.",
    merge=Merge.MOST,
)
REPLAYED_ENTRIES = Family(
    name="tollkeeper_replayed_entries_total",
    kind=Kind.COUNTER,
    help="Journal entries that the ledger had lost, given to it again by their ids.",
)
SPOOL_WAITING = Family(
    name="tollkeeper_spool_waiting_settles",
    kind=Kind.GAUGE,
    help="Settlements in the local spool that the ledger has not confirmed yet.",
)
HISTORY_LAG = Family(
    name="tollkeeper_history_lag_seconds",
    kind=Kind.GAUGE,
    help="How old the oldest ledger entry is that has not come into the history yet.",
    per_unit=MS_PER_S,
)
HISTORY_ENTRIES = Family(
    name="tollkeeper_history_entries_total",
    kind=Kind.COUNTER,
    help="Ledger entries written to the history.",
)
HISTORY_FAILURES = Family(
    name="tollkeeper_history_failures_total",
    kind=Kind.COUNTER,
    help="Attempts to bring ledger entries into the history that failed; each is made again.",
)
ADVANCES_UCR = Family(
    name="tollkeeper_advances_ucr",
    kind=Kind.GAUGE,
    help="Microcredits set aside to serve calls by while the store does not answer.",
)
DRAWN_CALLS = Family(
    name="tollkeeper_store_away_calls_total",
    kind=Kind.COUNTER,
    help="Calls of plans with an advance that the store did not answer, by what became of them.",
    labels=("became",),
)
STORE_UP = Family(
    name="tollkeeper_store_up",
    kind=Kind.GAUGE,
    help="1 while every running worker reaches the ledger, else 0.",
    merge=Merge.LEAST,
)

FAMILIES_OF_LEDGER = (
    HOLDS_EXPIRED,
    LATE_SETTLES,
    SPOOLED_SETTLES,
    RESTORED_SETTLES,
    SHARDS_CLOSED,
    REPLAYED_ENTRIES,
    SPOOL_WAITING,
    HISTORY_LAG,
    HISTORY_ENTRIES,
    HISTORY_FAILURES,
    ADVANCES_UCR,
    DRAWN_CALLS,
    STORE_UP,
)
