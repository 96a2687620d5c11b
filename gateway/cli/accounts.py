"""`tollkeeper accounts`: who pays."""

import re
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli.output import credit, moment, show, show_one
from gateway.cli.session import Session, config_option, display_text, json_option, run
from gateway.errors import BadCall, Conflict
from gateway.metering.accounts import Account, Status, valid_name


@click.group()
def accounts() -> None:
    """Create, list and suspend accounts."""


@accounts.command()
@click.argument("account_id")
@click.option("--plan", required=True, help="A plan of the configuration.")
@click.option("--name", default="", help="What people call it.")
@config_option
@json_option
def create(account_id: str, plan: str, name: str, config_path: Path, *, as_json: bool) -> None:
    """Create ACCOUNT_ID on a plan. It has no credit until something is granted."""

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
        )
        await session.stores.keys.put_account(account)
        return account

    show_one(_facts(run(config_path, work)), as_json=as_json)


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
@config_option
@json_option
def change(
    account_id: str,
    plan: str | None,
    name: str | None,
    status: str | None,
    *,
    external: tuple[str, ...],
    config_path: Path,
    as_json: bool,
) -> None:
    """Change ACCOUNT_ID. A suspended account's calls are refused within a second."""
    if plan is None and name is None and status is None and not external:
        raise click.UsageError("Nothing to change: give --plan, --name, --status or --external.")

    async def work(session: Session) -> Account:
        account = await existing(session, account_id)
        if plan is not None:
            _known_plan(session, plan)
        changed = replace(
            account,
            plan=plan or account.plan,
            name=account.name if name is None else display_text(name),
            status=account.status if status is None else Status(status),
            external=_external(account, external),
        )
        await session.stores.keys.put_account(changed)
        return changed

    show_one(_facts(run(config_path, work)), as_json=as_json)


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
