"""Every metric there is, as one table: those of the processes here, all others by their subject."""

from gateway.telemetry.families_of_billing import FAMILIES_OF_BILLING
from gateway.telemetry.families_of_calls import FAMILIES_OF_CALLS
from gateway.telemetry.families_of_ledger import FAMILIES_OF_LEDGER
from gateway.telemetry.families_of_providers import FAMILIES_OF_PROVIDERS
from gateway.telemetry.family import US_PER_S, Family, Kind

LAG_BOUNDS_US = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000)

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
TASKS = Family(
    name="tollkeeper_tasks",
    kind=Kind.GAUGE,
    help="Tasks on the workers' event loops, looked at every ten seconds.",
)
LOOP_LAG = Family(
    name="tollkeeper_event_loop_lag_seconds",
    kind=Kind.HISTOGRAM,
    help="How late a worker's event loop ran a timer that was due.",
    bounds=LAG_BOUNDS_US,
    per_unit=US_PER_S,
)
LOG_LINES_DROPPED = Family(
    name="tollkeeper_log_lines_dropped_total",
    kind=Kind.COUNTER,
    help="Log lines lost because whoever reads the log did not keep up.",
)

FAMILIES = (
    *FAMILIES_OF_CALLS,
    *FAMILIES_OF_PROVIDERS,
    *FAMILIES_OF_LEDGER,
    *FAMILIES_OF_BILLING,
    OPEN_CALLS,
    WORKERS,
    TASKS,
    LOOP_LAG,
    LOG_LINES_DROPPED,
)
