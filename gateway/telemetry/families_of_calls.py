"""The metrics of calls: what was asked, refused, answered, used and charged."""

from gateway.telemetry.family import US_PER_S, Family, Kind

# A model may think for minutes before its first byte, and stream for as long again.
ANSWER_BOUNDS_US = tuple(
    int(seconds * US_PER_S)
    for seconds in (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
)
# What we add should be tens of microseconds; 0.25 s is the deadline of the ledger.
OVERHEAD_BOUNDS_US = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 250_000)

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

FAMILIES_OF_CALLS = (
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
    JOBS_BEGUN,
    JOBS_ENDED,
    JOBS_RELEASED,
)
