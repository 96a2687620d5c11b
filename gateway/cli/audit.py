"""`tollkeeper audit`: does the ledger agree with its journal, and is that as it was written?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.app.stores import open_history
from gateway.cli.output import Row, credit, json_text, moment, show
from gateway.cli.session import Session, config_option, json_option, run
from gateway.errors import BadCall
from gateway.metering.journal import Entry
from gateway.workers.audit import AccountReport, Audit, ChainFault


@dataclass(frozen=True, slots=True)
class Findings:
    accounts: int
    faults: Sequence[ChainFault]
    reports: Sequence[AccountReport]
    """Of accounts that differ."""
    written: Sequence[str]


@click.command()
@click.argument("account_ids", nargs=-1, metavar="[ACCOUNT_ID]...")
@click.option("--repair", is_flag=True, help="Write corrections for what the ledger lost.")
@config_option
@json_option
def audit(account_ids: tuple[str, ...], config_path: Path, *, repair: bool, as_json: bool) -> None:
    """Recompute balances from the journal and compare them with the ledger; check the journal.

    All accounts, unless some are named. Exit code 1 if anything differs. Corrections are grants
    and charges of their own: nothing that is written is ever changed.
    """

    async def work(session: Session) -> Findings:
        async with open_history(session.settings) as history:
            stores = session.stores
            if await stores.outbox.history_id() not in ("", history.history_id):
                raise BadCall("The journal is kept on another machine; audit there.")
            audited = Audit(stores.ledger, stores.outbox, history)
            known = {account.account_id for account in await stores.keys.accounts()}
            wanted = account_ids or sorted(known | {*await history.account_ids()})
            faults = await audited.chains()
            reports = [await audited.account(account_id) for account_id in wanted]
            written: list[str] = []
            if repair and not faults:
                for report in reports:
                    written += await audited.repair(report) if report.repairable else ()
                if written:
                    reports = [await audited.account(account_id) for account_id in wanted]
            differing = [report for report in reports if report.differences]
            return Findings(len(wanted), faults, differing, written)

    found = run(config_path, work)
    if as_json:
        click.echo(json_text(_document(found)))
    else:
        _print(found)
    if found.faults or found.reports:
        raise click.exceptions.Exit(1)


def _document(found: Findings) -> dict[str, object]:
    return {
        "accounts": found.accounts,
        "chain_faults": [_fault(fault) for fault in found.faults],
        "differences": _differences(found),
        "entries": _entries(found),
        "corrections": list(found.written),
    }


def _print(found: Findings) -> None:
    for written in found.written:
        click.echo(f"Corrected: {written}")
    if found.faults:
        click.echo("The journal is not as it was written. Each chain is broken first at:")
        show([_fault(fault) for fault in found.faults], as_json=False, empty="")
    if found.reports:
        click.echo("The ledger and its journal differ:")
        show(_differences(found), as_json=False, empty="")
        if entries := _entries(found):
            click.echo("\nEntries to look at:")
            show(entries, as_json=False, empty="")
    if not found.faults and not found.reports:
        click.echo(f"{found.accounts} accounts agree with the journal, and its chains are whole.")


def _fault(fault: ChainFault) -> Row:
    return {
        "shard": fault.shard,
        "number": fault.number,
        "entry": fault.entry_id,
        "account": fault.account_id,
        "operation": fault.operation_id,
    }


def _differences(found: Findings) -> Sequence[Row]:
    return [
        {
            "account": each.account_id,
            "what": each.what,
            "journal": credit(each.journal_ucr),
            "ledger": credit(each.ledger_ucr),
            "repair": "possible" if report.repairable and each.total else "no",
        }
        for report in found.reports
        for each in report.differences
    ]


def _entries(found: Findings) -> Sequence[Row]:
    return [
        _entry(entry, where)
        for report in found.reports
        for where, entries in (("ledger", report.forgotten), ("journal", report.missing))
        for entry in entries
    ]


def _entry(entry: Entry, missing_in: str) -> Row:
    return {
        "account": entry.account_id,
        "missing_in": missing_in,
        "entry": entry.entry_id,
        "time": moment(entry.time_ms),
        "kind": entry.kind,
        "operation": entry.operation_id,
        "credits": credit(entry.amount_ucr),
    }
