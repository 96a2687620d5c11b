"""The metrics of billing: what goes to sinks, and what payment systems tell."""

from gateway.telemetry.family import MS_PER_S, Family, Kind, Merge

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

FAMILIES_OF_BILLING = (
    EXPORTED,
    EXPORT_LAG,
    EXPORT_WAITING,
    EXPORT_DEAD,
    EXPORT_BROKEN,
    INCOMING,
)
