"""GET /health: how the gateway is, for operators."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Moment, Query, Reply, moment


class HealthReply(Reply):
    """Counts are of all workers since the gateway's start, a reload included; times in ms are at
    most as long as is said, null where nothing tells."""

    as_of: Moment
    version: str
    config_digest: str
    """Changes with any file or secret that the configuration is read from."""
    ready: bool
    reasons: Mapping[str, str]
    """Part by part, why no calls should be sent here."""
    workers: int
    store_state: str
    """`connected`, `partly`, `stalled` or `lost`, as the worker that answers has it."""
    store_up: bool
    """Every worker reaches it."""
    open_calls: int
    calls: int
    """Metered calls that ended."""
    spool_waiting: int
    """Settlements on disk that the ledger has not confirmed."""
    history_lag_ms: int
    loop_lag_p99_ms: float | None
    overhead_p50_ms: float | None
    """What metering added to a call."""
    overhead_p99_ms: float | None
    refusals: Mapping[str, int]
    """Answered with an error of the gateway's own, by its code."""
    provider_errors: Mapping[str, int]
    """Answered with an error of the provider's, by its name."""
    wrong_keys: int
    """Unknown, revoked or expired."""
    holds_expired: int
    settled_late: int
    spooled: int
    restored: int
    unmetered: int
    """Served, and nothing records the charge."""
    disbelieved: int
    """Usage reports of providers that could not be right."""
    overruns: int
    """Calls charged beyond what was held."""
    log_lines_dropped: int


def admin_operations(resources: Resources, *, version: str) -> Sequence[Operation]:
    async def get_health(_asked: Asked[Query]) -> HealthReply:
        found = resources.oversight.examine()
        return HealthReply(
            as_of=moment(resources.ledger.now_ms()),
            version=version,
            config_digest=found.config_digest,
            ready=not found.reasons,
            reasons=found.reasons,
            store_state=found.store_state,
            **asdict(found.vitals),
        )

    return (
        Operation(
            method="GET",
            path="/health",
            name="getHealth",
            summary="How the gateway is: readiness, store, spool, workers; what went wrong so far",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_health,
            answer=HealthReply,
        ),
    )
