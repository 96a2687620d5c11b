"""`tollkeeper accounts`: who pays."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.access.changing import until_made
from gateway.cli.output import credit, moment, show, show_one
from gateway.cli.session import Session, changing, config_option, display_text, json_option, run
from gateway.errors import BadCall, Conflict
from gateway.metering.accounts import Account, Status, valid_name
from gateway.metering.alerts import Alert, alerts_named

ALERT_HELP = "Tell when so much is used up (80%) or left (20, in credits). May be repeated."


@click.group()
def accounts() -> None:
    """Create, list and suspend accounts."""


@accounts.command()
@click.argument("account_id")
@click.option("--plan", required=True, help="A plan of the configuration.")
@click.option("--name", default="", help="What people call it.")
@click.option(
    "--anchor",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    metavar="DATE",
    help="When one of its own periods begins (UTC), for plans that go by the account; else now.",
)
@click.option("--alert", "alerts", multiple=True, help=ALERT_HELP)
@config_option
@json_option
def create(
    account_id: str,
    plan: str,
    name: str,
    *,
    anchor: datetime | None,
    alerts: tuple[str, ...],
    config_path: Path,
    as_json: bool,
) -> None:
    """Create ACCOUNT_ID on a plan, with the plan's allowance as its only credit."""

    async def work(session: Session) -> Account:
        _known_plan(session, plan)
        if not valid_name(account_id):
            raise BadCall(
                f"{account_id!r} cannot be an account id: 1 to 64 letters, digits, '.', '-' or '_'."
            )
        if await session.stores.keys.account(account_id) is not None:
            raise Conflict(f"The account {account_id!r} exists already. `accounts list` shows it.")
        account = Account(
            account_id=account_id,
            plan=plan,
            name=display_text(name),
            created_ms=session.stores.ledger.now_ms(),
            anchor_ms=_utc_ms(anchor),
            alerts=_alerts(alerts),
        )
        await session.accounts.put(account)
        return account

    change = changing("accounts create", account_id=account_id, plan=plan, name=name)
    show_one(_facts(run(config_path, work, change=change)), as_json=as_json)


@accounts.command("list")
@config_option
@json_option
def list_all(config_path: Path, *, as_json: bool) -> None:
    """All accounts with their balance."""

    async def work(session: Session) -> list[dict[str, object]]:
        rows = []
        for account in await session.stores.keys.accounts():
            balance = await session.stores.ledger.balance(account.account_id)
            rows.append(
                _facts(account)
                | {
                    "available": credit(balance.available_ucr),
                    "held": credit(balance.held_ucr),
                    "debt": credit(balance.debt_ucr),
                }
            )
        return rows

    show(
        run(config_path, work),
        as_json=as_json,
        empty="No accounts yet: `accounts create` makes one.",
    )


@accounts.command("set")
@click.argument("account_id")
@click.option("--plan", help="Move it to this plan.")
@click.option("--name", help="Rename it.")
@click.option(
    "--status",
    type=click.Choice([each.value for each in (Status.ACTIVE, Status.SUSPENDED, Status.CLOSED)]),
    help="Only an active account's calls are served.",
)
@click.option(
    "--external",
    multiple=True,
    metavar="SYSTEM=ID",
    help="Who it is at a billing system: stripe=cus_A1b2. SYSTEM= takes the id away.",
)
@click.option("--alert", "alerts", multiple=True, help=f'{ALERT_HELP} --alert "": the plan\'s.')
@config_option
@json_option
def change(
    account_id: str,
    plan: str | None,
    name: str | None,
    status: str | None,
    *,
    external: tuple[str, ...],
    alerts: tuple[str, ...],
    config_path: Path,
    as_json: bool,
) -> None:
    """Change ACCOUNT_ID. A suspended account's calls are refused within a second.

    A new plan's limits count at once, its allowance as the plan says (`plan_change`).
    """
    if plan is None and name is None and status is None and not external and not alerts:
        raise click.UsageError(
            "Nothing to change: give --plan, --name, --status, --external or --alert."
        )

    async def work(session: Session) -> Account:
        if plan is not None:
            _known_plan(session, plan)

        async def once() -> Account | None:
            account = await existing(session, account_id)
            now_ms = session.stores.ledger.now_ms()
            changed = replace(
                account if plan is None else account.moved(plan, now_ms),
                name=account.name if name is None else display_text(name),
                status=account.status if status is None else Status(status),
                external=_external(account, external),
                alerts=_alerts(alerts) if alerts else account.alerts,
            )
            return changed if await session.accounts.change(account, changed) else None

        return await until_made(once)

    noted = changing(
        "accounts set",
        account_id=account_id,
        plan=plan,
        name=name,
        status=status,
        external=external,
        alerts=alerts,
    )
    show_one(_all_facts(run(config_path, work, change=noted)), as_json=as_json)


async def existing(session: Session, account_id: str) -> Account:
    """Raises BadCall when there is none of that id."""
    possible = valid_name(account_id)
    account = await session.stores.keys.account(account_id) if possible else None
    if account is None:
        raise BadCall(f"There is no account {account_id!r}. `accounts list` shows those there are.")
    return account


def _external(account: Account, changes: tuple[str, ...]) -> dict[str, str]:
    """The account's ids with the changes, each `system=id`; an empty id goes."""
    ids = dict(account.external)
    for change in changes:
        system, equals, external_id = change.partition("=")
        if not equals or not valid_name(system):
            raise BadCall(f"{change!r} is no SYSTEM=ID, such as stripe=cus_A1b2.")
        if not re.fullmatch(r"[!-~]{0,255}", external_id):
            raise BadCall("An external id has at most 255 visible ASCII characters and no blanks.")
        ids[system] = external_id
    return {system: external_id for system, external_id in sorted(ids.items()) if external_id}


def _alerts(names: tuple[str, ...]) -> tuple[Alert, ...] | None:
    """None: the plan's."""
    given = [name for name in names if name]
    alerts = alerts_named(given)
    if len(alerts) < len(given):
        raise BadCall("An alert is the part that is used up (80%), or credits that are left (20).")
    return alerts or None


def _utc_ms(given: datetime | None) -> int:
    return int(given.replace(tzinfo=UTC).timestamp() * 1000) if given else 0


def _known_plan(session: Session, plan: str) -> None:
    if plan not in session.settings.plans:
        known = ", ".join(sorted(session.settings.plans))
        raise BadCall(f"There is no plan {plan!r}. The configuration has: {known}.")


def _facts(account: Account) -> dict[str, object]:
    return {
        "account": account.account_id,
        "name": account.name,
        "plan": account.plan,
        "status": account.status.value,
        "external": dict(account.external),
        "created": moment(account.created_ms),
    }


def _all_facts(account: Account) -> dict[str, object]:
    """With what most accounts do not have."""
    facts = _facts(account)
    if account.former_plan:
        facts["plan_since"] = moment(account.since_ms)
    if account.anchor_ms:
        facts["anchor"] = moment(account.anchor_ms)
    if account.alerts is not None:
        facts["alerts"] = [alert.name for alert in account.alerts]
    return facts
