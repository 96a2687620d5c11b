"""`tollkeeper audit`: does the ledger agree with its journal, and is that as it was written?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click

from gateway.app.stores import open_history
from gateway.cli.output import Row, credit, json_text, moment, show
from gateway.cli.session import Session, changing, config_option, json_option, run
from gateway.errors import BadCall
from gateway.metering.audit import Correction
from gateway.metering.journal import Entry
from gateway.metering.notices import OPERATOR
from gateway.stores.rewinding import Rewind
from gateway.workers.audit import AccountReport, Audit, ChainFault


@dataclass(frozen=True, slots=True)
class Findings:
    accounts: int
    faults: Sequence[ChainFault]
    reports: Sequence[AccountReport]
    """Of accounts that differ."""
    written: Sequence[str] = ()
    closed: Sequence[Rewind] = ()

    @property
    def planned(self) -> Sequence[Correction]:
        """What a repair would write; nothing on the word of a journal that is not whole."""
        return () if self.faults else [each for told in self.reports for each in told.corrections]


@click.command()
@click.argument("account_ids", nargs=-1, metavar="[ACCOUNT_ID]...")
@click.option("--repair", is_flag=True, help="Write corrections where the journal is whole.")
@click.option("--dry-run", is_flag=True, help="With --repair: show them, write nothing.")
@click.option("--yes", is_flag=True, help="With --repair: do not ask.")
@click.option("--by", help="Who repairs, in each correction; your name on this machine if unsaid.")
@config_option
@json_option
def audit(
    account_ids: tuple[str, ...],
    config_path: Path,
    *,
    repair: bool,
    dry_run: bool,
    yes: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Recompute balances from the journal and compare them with the ledger; check the journal.

    All accounts, unless some are named. Exit code 1 if anything differs. Corrections are grants,
    charges and amounts taken back, each a movement of its own: nothing that is written is ever
    changed. A broken chain cannot be repaired. Parts of the ledger that are closed because the
    store went back in time are told; a repair of all accounts opens them.
    """
    if repair and as_json and not (yes or dry_run):
        raise click.UsageError("With --repair and --json, say --yes or --dry-run.")
    found = run(config_path, partial(_look, account_ids))
    if repair and (found.planned or found.closed) and not dry_run:
        if not yes:
            _print(found)
            click.confirm(_question(found), abort=True)
        change = changing("audit --repair", subject=" ".join(account_ids))
        written = partial(_repair, account_ids, found, by=by or change.actor)
        found = run(config_path, written, change=change)
    if as_json:
        click.echo(json_text(_document(found)))
    else:
        _print(found)
    if found.faults or found.reports or found.closed:
        raise click.exceptions.Exit(1)


def _question(found: Findings) -> str:
    shards = f", and open {len(found.closed)} closed shards" if found.closed else ""
    return f"Write {len(found.planned)} corrections{shards}?"


async def _look(account_ids: Sequence[str], session: Session) -> Findings:
    async with _audit(session) as (audited, known):
        wanted = account_ids or known
        faults = await audited.chains()
        reports = [await audited.account(account_id) for account_id in wanted]
    return Findings(
        len(wanted),
        faults,
        [report for report in reports if report.differences],
        closed=() if account_ids else await session.stores.rewinds.closed(),
    )


async def _repair(
    account_ids: Sequence[str], found: Findings, session: Session, *, by: str
) -> Findings:
    """What was shown is what is written: whoever moved meanwhile is told anew."""
    async with _audit(session) as (audited, _):
        written = [each for report in found.reports for each in await audited.repair(report, by=by)]
    for rewind in found.closed:
        await session.stores.rewinds.open(rewind.shard)
    return replace(await _look(account_ids, session), written=written)


@asynccontextmanager
async def _audit(session: Session) -> AsyncIterator[tuple[Audit, Sequence[str]]]:
    """And the accounts there are."""
    stores = session.stores
    async with open_history(session.settings) as history:
        if await stores.outbox.history_id() not in ("", await history.history_id()):
            raise BadCall("The journal is kept on another machine; audit there.")
        known = {account.account_id for account in await stores.keys.accounts()}
        accounts = sorted((known | {*await history.account_ids()}) - {OPERATOR})
        yield Audit(stores.ledger, stores.outbox, history), accounts


def _document(found: Findings) -> dict[str, object]:
    return {
        "accounts": found.accounts,
        "chain_faults": [_fault(fault) for fault in found.faults],
        "differences": _differences(found),
        "entries": _entries(found),
        "planned": [_correction(each) for each in found.planned],
        "corrections": list(found.written),
        "closed_shards": [asdict(rewind) for rewind in found.closed],
    }


def _print(found: Findings) -> None:
    for written in found.written:
        click.echo(f"Corrected: {written}")
    if found.faults:
        click.echo("The journal is not as it was written. Each chain is broken first at:")
        show([_fault(fault) for fault in found.faults], as_json=False, empty="")
        click.echo("This cannot be repaired: restore the history from a backup, it catches up.")
    if found.reports:
        click.echo("The ledger and its journal differ:")
        show(_differences(found), as_json=False, empty="")
        click.echo("\nEntries to look at:")
        show(_entries(found), as_json=False, empty="None: the journal knows of no movement.")
    if found.planned:
        click.echo("\n--repair writes:")
        show([_correction(each) for each in found.planned], as_json=False, empty="")
    if found.closed:
        click.echo("The store went back in time. No calls are admitted to the accounts of:")
        show([_closed(rewind) for rewind in found.closed], as_json=False, empty="")
    if not found.faults and not found.reports:
        click.echo(f"{found.accounts} accounts agree with the journal, and its chains are whole.")


def _correction(each: Correction) -> Row:
    return {
        "account": each.account_id,
        "writes": each.remedy.value,
        "credits": credit(each.amount_ucr),
        "because": each.reason,
        "operation": each.operation_id,
    }


def _closed(rewind: Rewind) -> Row:
    return {
        "shard": rewind.shard,
        "lacked": rewind.lost_id,
        "since": moment(rewind.since_ms),
        "because": rewind.stuck or "it is being caught up",
    }


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
            "repair": "possible" if report.corrections and not found.faults else "no",
        }
        for report in found.reports
        for each in report.differences
    ]


def _entries(found: Findings) -> Sequence[Row]:
    return [
        _entry(entry, where)
        for report in found.reports
        for where, entries in (
            ("ledger", report.forgotten),
            ("journal", report.missing),
            ("-", report.newest),
        )
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
