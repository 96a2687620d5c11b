"""Every metric there is, as one table: name, meaning, labels and how workers add up.

Names follow Prometheus: `tollkeeper_<what>_<unit>[_total]`, base units
(https://prometheus.io/docs/practices/naming/, looked at 2026-11). Labels come from sets that are
closed when the process starts; never a key, an account, a path or a model outside the price book.
"""

from dataclasses import dataclass
from enum import StrEnum

US_PER_S = 1_000_000
MS_PER_S = 1_000


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


# Beside the kinds of pieces, what may be used without a price.
SERVICE_TIER = "service_tier"


class UnknownHandling(StrEnum):
    """What was done with a request for a path that no table knows."""

    REFUSED = "refused"
    FREE = "forwarded_free"
    CHARGED = "forwarded_for_a_fee"


class Merge(StrEnum):
    """How the workers' cells become one value. LEAST and MOST look at running workers only."""

    SUM = "sum"
    LEAST = "least"
    MOST = "most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric. `bounds` are a histogram's upper bounds in cell units; `per_unit` is how many
    cell units make one exposed unit. A `sparse` family shows a series once it was touched."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[int, ...] = ()
    per_unit: int = 1
    merge: Merge = Merge.SUM
    sparse: bool = False

    @property
    def cells(self) -> int:
        """Cells of one series: a histogram has one per bucket, one beyond the last, and a sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1


# A model may think for minutes before its first byte, and stream for as long again.
ANSWER_BOUNDS_US = tuple(
    int(seconds * US_PER_S)
    for seconds in (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
)
# What we add should be tens of microseconds; 0.25 s is the deadline of the ledger.
OVERHEAD_BOUNDS_US = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 250_000)
LAG_BOUNDS_US = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000)

CALLS = Family(
    name="tollkeeper_calls_total",
    kind=Kind.COUNTER,
    help="Calls a provider answered and we metered, by how they ended.",
    labels=("dialect", "provider", "end"),
    sparse=True,
)
USAGES = Family(
    name="tollkeeper_usages_total",
    kind=Kind.COUNTER,
    help="Metered calls by where their usage came from. Every 'held' one is an incident.",
    labels=("model", "provenance"),
    sparse=True,
)
TOKENS = Family(
    name="tollkeeper_tokens_total",
    kind=Kind.COUNTER,
    help="Tokens metered, in classes that never overlap.",
    labels=("model", "class"),
    sparse=True,
)
PIECES_USED = Family(
    name="tollkeeper_pieces_total",
    kind=Kind.COUNTER,
    help="What was used of what is sold by the piece, by kind: searches, pictures, seconds of"
    " sound.",
    labels=("piece",),
    sparse=True,
)
UNPRICED = Family(
    name="tollkeeper_unpriced_uses_total",
    kind=Kind.COUNTER,
    help="Metered calls that used a kind of piece, or were served in a tier, that has no price.",
    labels=("unpriced",),
    sparse=True,
)
UNMAPPED = Family(
    name="tollkeeper_unmapped_usage_fields_total",
    kind=Kind.COUNTER,
    help="Numbers in providers' usage reports that no mapping table names: kept, never charged.",
    labels=("dialect",),
    sparse=True,
)
CHARGES_UCR = Family(
    name="tollkeeper_charges_ucr_total",
    kind=Kind.COUNTER,
    help="Microcredits charged for metered calls.",
    labels=("model",),
    sparse=True,
)
HOLDS_UCR = Family(
    name="tollkeeper_holds_ucr_total",
    kind=Kind.COUNTER,
    help="Microcredits that metered calls held at their end; compare with the charges.",
    labels=("model",),
    sparse=True,
)
OVERRUNS = Family(
    name="tollkeeper_overruns_total",
    kind=Kind.COUNTER,
    help="Metered calls that cost more than they held.",
)
OVERRUNS_UCR = Family(
    name="tollkeeper_overruns_ucr_total",
    kind=Kind.COUNTER,
    help="Microcredits charged beyond what was held.",
)
FIRST_BYTE = Family(
    name="tollkeeper_time_to_first_byte_seconds",
    kind=Kind.HISTOGRAM,
    help="From the request's arrival to the first byte of its answer going out.",
    labels=("dialect", "provider"),
    bounds=ANSWER_BOUNDS_US,
    per_unit=US_PER_S,
    sparse=True,
)
DURATION = Family(
    name="tollkeeper_call_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="From the request's arrival to the last byte of its answer.",
    labels=("dialect", "provider"),
    bounds=ANSWER_BOUNDS_US,
    per_unit=US_PER_S,
    sparse=True,
)
OVERHEAD = Family(
    name="tollkeeper_metering_overhead_seconds",
    kind=Kind.HISTOGRAM,
    help="Time a call spent in the gateway before it was forwarded, the ledger's answer included.",
    bounds=OVERHEAD_BOUNDS_US,
    per_unit=US_PER_S,
)
RELAYED = Family(
    name="tollkeeper_relayed_bytes_total",
    kind=Kind.COUNTER,
    help="Bytes of answer bodies sent to clients.",
)
REFUSALS = Family(
    name="tollkeeper_refusals_total",
    kind=Kind.COUNTER,
    help="Requests answered with an error of ours, by its code.",
    labels=("reason",),
)
AUTHENTICATION_FAILURES = Family(
    name="tollkeeper_authentication_failures_total",
    kind=Kind.COUNTER,
    help="Requests with a missing, unknown, revoked or expired key.",
)
UNKNOWN_ENDPOINTS = Family(
    name="tollkeeper_unknown_endpoint_requests_total",
    kind=Kind.COUNTER,
    help="Requests for a path that no endpoint table knows, by what was done with them.",
    labels=("handled",),
)
PROVIDER_ERRORS = Family(
    name="tollkeeper_provider_errors_total",
    kind=Kind.COUNTER,
    help="Error answers of providers, passed on unbilled.",
    labels=("provider", "status"),
    sparse=True,
)
UNMETERED = Family(
    name="tollkeeper_unmetered_calls_total",
    kind=Kind.COUNTER,
    help="Calls served without a charge being recorded. Must stay 0.",
)
DISBELIEVED = Family(
    name="tollkeeper_usages_disbelieved_total",
    kind=Kind.COUNTER,
    help="Usage reports of providers replaced by our own count because they cannot be true.",
)
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
SPOOL_WAITING = Family(
    name="tollkeeper_spool_waiting_settles",
    kind=Kind.GAUGE,
    help="Settlements in the local spool that the ledger has not confirmed yet.",
)
JOBS_BEGUN = Family(
    name="tollkeeper_jobs_begun_total",
    kind=Kind.COUNTER,
    help="Calls that began a job whose usage is told later: batches, background work, films.",
    labels=("dialect",),
    sparse=True,
)
JOBS_ENDED = Family(
    name="tollkeeper_jobs_ended_total",
    kind=Kind.COUNTER,
    help="Jobs that were charged, by how they ended. Every 'hold_expired' one is an incident.",
    labels=("dialect", "end"),
    sparse=True,
)
JOBS_RELEASED = Family(
    name="tollkeeper_jobs_released_total",
    kind=Kind.COUNTER,
    help="Jobs that failed, or were cancelled before anything was used: nothing was charged.",
    labels=("dialect",),
    sparse=True,
)
HISTORY_LAG = Family(
    name="tollkeeper_history_lag_seconds",
    kind=Kind.GAUGE,
    help="How old the oldest ledger entry is that has not come into the history yet.",
    per_unit=1000,
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
OPEN_CALLS = Family(
    name="tollkeeper_open_calls",
    kind=Kind.GAUGE,
    help="Calls being handled now.",
)
WORKERS = Family(
    name="tollkeeper_workers",
    kind=Kind.GAUGE,
    help="Worker processes running.",
)
STORE_UP = Family(
    name="tollkeeper_store_up",
    kind=Kind.GAUGE,
    help="1 while every running worker reaches the ledger, else 0.",
    merge=Merge.LEAST,
)
LOOP_LAG = Family(
    name="tollkeeper_event_loop_lag_seconds",
    kind=Kind.HISTOGRAM,
    help="How late a worker's event loop ran a timer that was due.",
    bounds=LAG_BOUNDS_US,
    per_unit=US_PER_S,
)
EXPORTED = Family(
    name="tollkeeper_exported_total",
    kind=Kind.COUNTER,
    help="Records, or sums of records, by what became of them at the sink; 'retry' each time.",
    labels=("sink", "outcome"),
)
EXPORT_LAG = Family(
    name="tollkeeper_export_lag_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest settlement that the sink has not got; 0 when it has all.",
    labels=("sink",),
    per_unit=MS_PER_S,
    merge=Merge.MOST,
)
EXPORT_WAITING = Family(
    name="tollkeeper_export_waiting",
    kind=Kind.GAUGE,
    help="Settlements that the sink has not got, sums under way and what is repeated included.",
    labels=("sink",),
)
EXPORT_DEAD = Family(
    name="tollkeeper_export_dead_letters",
    kind=Kind.GAUGE,
    help="What the sink refused for good and somebody has to look at.",
    labels=("sink",),
)
EXPORT_BROKEN = Family(
    name="tollkeeper_export_circuit_open",
    kind=Kind.GAUGE,
    help="1 while the sink does not take what it is sent, or wants nothing more.",
    labels=("sink",),
    merge=Merge.MOST,
)
INCOMING = Family(
    name="tollkeeper_incoming_events_total",
    kind=Kind.COUNTER,
    help="Events of payment systems, by what became of them.",
    labels=("source", "received"),
)
LOG_LINES_DROPPED = Family(
    name="tollkeeper_log_lines_dropped_total",
    kind=Kind.COUNTER,
    help="Log lines lost because whoever reads the log did not keep up.",
)

FAMILIES = (
    CALLS,
    USAGES,
    TOKENS,
    PIECES_USED,
    UNPRICED,
    UNMAPPED,
    CHARGES_UCR,
    HOLDS_UCR,
    OVERRUNS,
    OVERRUNS_UCR,
    FIRST_BYTE,
    DURATION,
    OVERHEAD,
    RELAYED,
    REFUSALS,
    AUTHENTICATION_FAILURES,
    UNKNOWN_ENDPOINTS,
    PROVIDER_ERRORS,
    UNMETERED,
    DISBELIEVED,
    HOLDS_EXPIRED,
    LATE_SETTLES,
    SPOOLED_SETTLES,
    SPOOL_WAITING,
    JOBS_BEGUN,
    JOBS_ENDED,
    JOBS_RELEASED,
    HISTORY_LAG,
    HISTORY_ENTRIES,
    HISTORY_FAILURES,
    OPEN_CALLS,
    WORKERS,
    STORE_UP,
    LOOP_LAG,
    EXPORTED,
    EXPORT_LAG,
    EXPORT_WAITING,
    EXPORT_DEAD,
    EXPORT_BROKEN,
    INCOMING,
    LOG_LINES_DROPPED,
)

# What cannot be named by a closed set: a provider added by a reload, a model off the card.
OTHER = "other"

# The codes of errors.py and those its raisers narrow them to (docs/errors.md).
REFUSAL_REASONS = (
    "invalid_request",
    "request_too_large",
    "invalid_api_key",
    "model_not_allowed",
    "model_not_priced",
    "account_inactive",
    "unknown_endpoint",
    "endpoint_refused",
    "insufficient_quota",
    "balance_held",
    "rate_limit_exceeded",
    "upstream_failed",
    "upstream_busy",
    "upstream_timeout",
    "metering_unavailable",
    "draining",
    "internal_error",
    OTHER,
)

# What becomes of a record at a sink.
EXPORT_OUTCOMES = ("delivered", "duplicate", "poison", "retry", "disabled")

# Single codes where the remedy differs, the class for all others.
PROVIDER_STATUSES = ("400", "401", "403", "404", "429", "3xx", "4xx", "5xx")
