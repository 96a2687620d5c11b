"""`tollkeeper trail`: who changed what, when, from where, and what came of it."""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.output import Row, moment, show
from gateway.cli.session import Session, config_option, json_option, run
from gateway.stores.auditing import KEPT


@click.command()
@click.option("--account", "account_id", help="Only changes of this account.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, KEPT),
    help="How many at most.",
)
@config_option
@json_option
def trail(account_id: str | None, limit: int, config_path: Path, *, as_json: bool) -> None:
    """The audit trail, newest first: changes by services, operators and commands."""

    async def work(session: Session) -> Sequence[Row]:
        noted = await session.stores.trail.listed(
            before=None, limit=limit if account_id is None else KEPT
        )
        return [
            {
                "number": each.number,
                "time": moment(each.change.begun_ms),
                "actor": each.change.actor,
                "via": each.change.via,
                "address": each.change.address,
                "action": each.change.action,
                "account": each.change.account_id,
                "subject": each.change.subject,
                "outcome": each.change.outcome,
            }
            for each in noted
            if account_id in (None, each.change.account_id)
        ][:limit]

    show(run(config_path, work), as_json=as_json, empty="Nothing has been changed yet.")
