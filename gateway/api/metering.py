"""The Metering API: every operation of it, in one place."""

from collections.abc import Sequence

from gateway.api import (
    about,
    balance,
    compat_dashboard,
    compat_openai,
    compat_openrouter,
    costs,
    estimate,
    generations,
    incoming,
    key,
    ledger,
    pricing,
    services_accounts,
    services_credit,
    services_keys,
    services_reservations,
    services_usage,
    usage,
    usage_records,
)
from gateway.api.operation import Operation
from gateway.api.resources import Resources

ROOT = "/metering/v1"
PREFIX = "/metering/"


def operations(resources: Resources, *, version: str) -> Sequence[Operation]:
    served = (
        *key.operations(),
        *balance.operations(resources),
        *pricing.operations(resources),
        *estimate.operations(resources),
        *services_keys.operations(resources),
        *services_accounts.operations(resources),
        *services_credit.operations(resources),
        *services_reservations.operations(resources),
        *services_usage.operations(resources),
        *incoming.operations(resources),
        *usage.operations(resources),
        *costs.operations(resources),
        *usage_records.operations(resources),
        *generations.operations(resources),
        *ledger.operations(resources),
    )
    return (*served, *about.operations(served, root=ROOT, version=version))


def compatible(resources: Resources) -> Sequence[Operation]:
    """What other vendors' clients poll, at the very paths they do. Nothing else is there."""
    return (
        *compat_openrouter.operations(resources),
        *compat_openai.operations(resources),
        *compat_dashboard.operations(resources),
    )
