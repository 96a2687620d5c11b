"""The Metering API: every operation of it, in one place."""

from collections.abc import Sequence

from gateway.api import (
    about,
    accuracy,
    alerts,
    audit,
    auditing,
    balance,
    calls,
    compat_dashboard,
    compat_openai,
    compat_openrouter,
    costs,
    estimate,
    events,
    focus,
    generations,
    health,
    holds,
    incoming,
    key,
    keys,
    ledger,
    limits,
    margin,
    overview,
    pricing,
    reconcile,
    refusals,
    services_accounts,
    services_credit,
    services_keys,
    services_projects,
    services_reservations,
    services_usage,
    session,
    sinks,
    standings,
    usage,
    usage_records,
    webhooks,
)
from gateway.api.operation import Audience, Operation
from gateway.api.resources import Resources

ROOT = "/metering/v1"
PREFIX = "/metering/"


OF_SERVICES = (Audience.SERVICE, Audience.KEY_OR_SERVICE)


def operations(resources: Resources, *, version: str) -> Sequence[Operation]:
    """What the callers' listener serves."""
    served = _served(resources)
    return (*served, *about.operations(served, root=ROOT, version=version))


def _served(resources: Resources) -> Sequence[Operation]:
    return (
        *key.operations(),
        *session.operations(resources),
        *limits.operations(resources),
        *alerts.operations(resources),
        *balance.operations(resources),
        *holds.operations(resources),
        *pricing.operations(resources),
        *estimate.operations(resources),
        *events.operations(resources),
        *services_keys.operations(resources),
        *keys.operations(resources),
        *services_accounts.operations(resources),
        *services_projects.operations(resources),
        *services_credit.operations(resources),
        *services_reservations.operations(resources),
        *services_usage.operations(resources),
        *reconcile.operations(resources),
        *sinks.operations(resources),
        *webhooks.operations(resources),
        *incoming.operations(resources),
        *usage.operations(resources),
        *refusals.operations(resources),
        *costs.operations(resources),
        *focus.operations(resources),
        *usage_records.operations(resources),
        *generations.operations(resources),
        *ledger.operations(resources),
    )


def admin_operations(resources: Resources, *, version: str) -> Sequence[Operation]:
    """What the admin listener serves: all that services may do, and what only operators may."""
    served = (
        *(each for each in _served(resources) if each.audience in OF_SERVICES),
        *session.admin_operations(resources),
        *events.admin_operations(resources),
        *audit.admin_operations(resources),
        *overview.admin_operations(resources),
        *health.admin_operations(resources, version=version),
        *standings.admin_operations(resources),
        *accuracy.admin_operations(resources),
        *holds.admin_operations(resources),
        *refusals.admin_operations(resources),
        *margin.admin_operations(resources),
        *calls.admin_operations(resources),
        *auditing.admin_operations(resources),
    )
    return (*served, *about.operations(served, root=ROOT, version=version))


def compatible(resources: Resources) -> Sequence[Operation]:
    """What other vendors' clients poll, at the very paths they do. Nothing else is there."""
    return (
        *compat_openrouter.operations(resources),
        *compat_openai.operations(resources),
        *compat_dashboard.operations(resources),
    )
