"""The Metering API: every operation of it, in one place."""

from collections.abc import Sequence

from gateway.api import (
    about,
    balance,
    estimate,
    key,
    pricing,
    services_accounts,
    services_keys,
    services_reservations,
    services_usage,
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
        *services_reservations.operations(resources),
        *services_usage.operations(resources),
    )
    return (*served, *about.operations(served, root=ROOT, version=version))
