"""How the ends of calls come to the ledger, and what stands for them while they cannot."""

from gateway.proxy.advances import Advances
from gateway.proxy.observation import Observation
from gateway.proxy.settlements import Settlements
from gateway.settings import Settings
from gateway.stores.base import Ledger, Spool
from gateway.tasks import TaskSet
from gateway.telemetry.metrics import Metrics


def settling(
    settings: Settings,
    ledger: Ledger,
    spool: Spool,
    *,
    tasks: TaskSet,
    observation: Observation,
    metrics: Metrics,
) -> tuple[Advances, Settlements]:
    advances = Advances(
        ledger,
        lease_ms=int(settings.metering.lease_s * 1000),
        accounts_max=settings.metering.advances_max,
        observer=metrics,
    )
    settlements = Settlements(
        ledger, spool, tasks=tasks, observer=observation, on_confirmed=advances.confirmed
    )
    return advances, settlements
