"""Accounts as the Metering API tells and takes them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.alerts import Alerts
from gateway.api.shapes import Body, Moment, Query, Tagged, etag_of, moment
from gateway.metering.accounts import Account
from gateway.metering.allowances import plan_since_ms

Id = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(max_length=200)]
External = Annotated[str, Field(pattern="^[!-~]{1,255}$")]
System = Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,64}$")]
LISTED_MAX = 1_000
SYSTEMS_MAX = 20


class AccountRow(Tagged):
    """Who pays."""

    id: str
    name: str
    plan: str
    plan_since: Moment
    status: str
    created_at: Moment
    anchor_at: Moment
    """When one of its own periods begins, for plans whose allowance goes by the account."""
    alerts: Sequence[str] | None
    """Its own in place of the plan's; null: the plan's."""
    external: Mapping[str, str]
    """Who it is at billing systems, by their names."""


class CreateAccount(Body):
    id: Id
    plan: Id
    name: Name = ""
    anchor_at_ms: Annotated[int, Field(ge=0, lt=10**14)] = 0
    """When one of its own periods begins, in milliseconds since 1970; 0: now."""
    alerts: Alerts | None = None
    """In place of the plan's: `80%` for the part used up, `20` for the credits left."""
    external: Annotated[dict[System, External], Field(default_factory=dict, max_length=SYSTEMS_MAX)]
    """Who it is at billing systems: `{"stripe": "cus_A1b2", "lago": "sub_acme"}`."""


class ChangeAccount(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    plan: Id | None = None
    """The limits change at once, the allowance as the new plan says (`plan_change`)."""
    status: Literal["active", "suspended", "closed"] | None = None
    alerts: Alerts | None = None
    """In place of the plan's; an empty list for none."""
    external: Annotated[
        dict[System, External | None], Field(default_factory=dict, max_length=SYSTEMS_MAX)
    ]
    """Ids that change; null takes one away, the others stay."""


class ListAccounts(Query):
    cursor: Annotated[str, Field(max_length=64)] = ""
    """The last id of the page before."""
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = 100


def account_row(account: Account) -> AccountRow:
    return AccountRow(
        id=account.account_id,
        name=account.name,
        plan=account.plan,
        plan_since=moment(plan_since_ms(account)),
        status=account.status,
        anchor_at=moment(account.anchor_ms or account.created_ms),
        alerts=None if account.alerts is None else [alert.name for alert in account.alerts],
        external=account.external,
        created_at=moment(account.created_ms),
        etag=etag_of(account),
    )


def external_of(account: Account, body: ChangeAccount) -> Mapping[str, str]:
    ids = {**account.external, **body.external}
    return {system: each for system, each in sorted(ids.items()) if each is not None}
