"""An account's alerts: the marks on the way to an empty account of which its owner is told.

The holder of a key reads what holds for its account, and one whose key manages may set marks in
place of the plan's. Services do so with the account (`services_accounts.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from gateway.access.changing import until_made
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Body, Query, Tagged, etag_of
from gateway.api.whose import account_named, check_manages
from gateway.errors import BadCall
from gateway.metering.accounts import Account
from gateway.metering.alerts import ALERTS_MAX, Alert, alerts_named
from gateway.metering.allowances import alerts_of
from gateway.metering.history import DAY_MS

Alerts = Annotated[
    list[Annotated[str, Field(max_length=20, examples=["80%"])]], Field(max_length=ALERTS_MAX)
]


class AlertsReply(Tagged):
    """Marks whose crossing is told, each once: `80%` for the part used up, `20` for the credits
    left."""

    alerts: Sequence[str]
    """Those that hold: the account's own if it has any, else the plan's."""
    own: Sequence[str] | None
    """Null: it has none of its own; empty: it wants to be told nothing."""
    plan: Sequence[str]
    expiry_notice_days: int
    """How long before a grant lapses that is told, as the plan has it; 0: not at all."""
    declared: bool
    """The configuration states the account's own: they change there only."""


class SetAlerts(Body):
    alerts: Alerts | None
    """In place of the plan's; an empty list for none at all; null for the plan's again."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_alerts(asked: Asked[Query]) -> AlertsReply:
        return _told(resources, await _account(resources, asked))

    async def set_alerts(asked: Asked[Query]) -> AlertsReply:
        assert isinstance(asked.body, SetAlerts)
        check_manages(asked)
        own = None if asked.body.alerts is None else alerts_in(asked.body.alerts)

        async def once() -> AlertsReply | None:
            account = await _account(resources, asked)
            asked.must_match(etag_of(account.alerts))
            check_undeclared(resources, account)
            changed = replace(account, alerts=own)
            made = changed == account or await resources.accounts.change(account, changed)
            return _told(resources, changed) if made else None

        return await until_made(once)

    return (
        Operation(
            method="GET",
            path="/alerts",
            name="getAlerts",
            summary="Of which marks on the way to an empty account its owner is told",
            tag="Self-service",
            audience=Audience.KEY,
            handler=get_alerts,
            answer=AlertsReply,
        ),
        Operation(
            method="PUT",
            path="/alerts",
            name="setAlerts",
            summary="Marks of the account's own, in place of the plan's",
            tag="Self-service",
            audience=Audience.KEY,
            body=SetAlerts,
            handler=set_alerts,
            answer=AlertsReply,
            conditional=True,
            changes=True,
        ),
    )


def check_undeclared(resources: Resources, account: Account) -> None:
    """Raises BadCall where an account's alerts stand in the configuration: a reload would put them
    back."""
    if account.account_id in resources.alerts_declared:
        raise BadCall(
            "The configuration declares this account's alerts: change them there.",
            details={"param": "alerts"},
        )


def alerts_in(names: Sequence[str]) -> tuple[Alert, ...]:
    """Raises BadCall for what is no alert."""
    alerts = alerts_named(names)
    if len(alerts) < len(names):
        raise BadCall(
            "An alert is the part that is used up, such as 80%, or credits that are left: 20.",
            details={"param": "alerts"},
        )
    return tuple(dict.fromkeys(alerts))


async def _account(resources: Resources, asked: Asked[Query]) -> Account:
    """As it is now: the caller's may be a second old."""
    return await account_named(asked.holder.account.account_id, resources.keys)


def _told(resources: Resources, account: Account) -> AlertsReply:
    plan = resources.plans.get(account.plan)
    return AlertsReply(
        alerts=_names(alerts_of(account, plan)),
        own=None if account.alerts is None else _names(account.alerts),
        plan=_names(plan.alerts) if plan else [],
        expiry_notice_days=plan.expiry_notice_ms // DAY_MS if plan else 0,
        declared=account.account_id in resources.alerts_declared,
        etag=etag_of(account.alerts),
    )


def _names(alerts: Sequence[Alert]) -> list[str]:
    return [alert.name for alert in alerts]
