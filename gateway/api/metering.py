"""The Metering API: every operation of it, in one place."""

from collections.abc import Sequence

from gateway.api import about, balance, key, pricing, services_accounts, services_keys
from gateway.api.operation import Operation
from gateway.api.resources import Resources

ROOT = "/metering/v1"
PREFIX = "/metering/"


def operations(resources: Resources, *, version: str) -> Sequence[Operation]:
    served = (
        *key.operations(),
        *balance.operations(resources),
        *pricing.operations(resources),
        *services_keys.operations(resources),
        *services_accounts.operations(resources),
    )
    return (*served, *about.operations(served, root=ROOT, version=version))
