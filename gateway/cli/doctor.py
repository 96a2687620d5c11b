"""`tollkeeper doctor`: how a deployment stands, and what to do about it."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.diagnosis import gathering
from gateway.cli.diagnosis.finding import Finding, Result, fault, has_fault, unknown
from gateway.cli.diagnosis.gathering import Gathered
from gateway.cli.diagnosis.of_configuration import of_problems, of_settings
from gateway.cli.diagnosis.of_flow import of_flow
from gateway.cli.diagnosis.of_host import of_host
from gateway.cli.diagnosis.of_store import latency, of_store
from gateway.cli.output import json_text, table
from gateway.cli.session import config_option, errors_as_exits, json_option
from gateway.settings import Settings, examine
from gateway.settings.price_import.files import names_beside
from gateway.settings.price_import.package import known_names
from gateway.settings.price_import.vendors import VENDORS


@click.command()
@config_option
@json_option
def doctor(config_path: Path, *, as_json: bool) -> None:
    """Check a deployment: store, disk, prices, what follows the ledger. Say what to do.

    Run it on the gateway's machine, as its user. It changes nothing. Exit code 1 when there is
    a fault; what cannot be found out is said to be unknown and is none.
    """
    with errors_as_exits():
        findings = _findings(config_path)
    if as_json:
        click.echo(json_text(_document(findings)))
    else:
        click.echo(_text(findings))
    if has_fault(findings):
        raise click.exceptions.Exit(1)


def _document(findings: list[Finding]) -> dict[str, object]:
    return {"counts": _counts(findings), "findings": [asdict(each) for each in findings]}


def _counts(findings: list[Finding]) -> dict[str, int]:
    counted = Counter(str(each.result) for each in findings)
    return {str(result): counted[result] for result in Result}


def _text(findings: list[Finding]) -> str:
    """A table, and below it what is to be done: too long for a column."""
    rows = [
        {"check": each.check, "result": str(each.result), "found": each.found} for each in findings
    ]
    todo = [f"{each.check}: {each.todo}" for each in findings if each.todo]
    counts = ", ".join(f"{count} {result}" for result, count in _counts(findings).items())
    remedies = ["What to do:", *todo, ""] if todo else []
    return "\n".join([table(rows), "", *remedies, f"{counts}."])


def _findings(config_path: Path) -> list[Finding]:
    examined = examine(config_path, os.environ)
    if examined.settings is None:
        return list(of_problems(examined.problems))
    return list(_of_deployment(examined.settings))


def _of_deployment(settings: Settings) -> Iterator[Finding]:
    known = known_names(VENDORS) | names_beside(settings.files)
    yield from of_settings(settings, known, datetime.now(UTC).date())
    yield from of_host(gathering.host(settings))
    yield from _of_store_and_flow(asyncio.run(gathering.store_and_flow(settings)))


def _of_store_and_flow(gathered: Gathered) -> Iterator[Finding]:
    if gathered.store is None:
        yield fault("store", gathered.trouble, "Check `store.url`, and that it runs.")
    else:
        yield from of_store(gathered.store)
    if gathered.used is not None:
        yield latency("latency of a ping", gathered.used.pings_ms)
        yield latency("latency of a script", gathered.used.scripts_ms)
        yield from of_flow(gathered.used.flow)
    elif gathered.store is not None:
        todo = "The gateway's user needs all of what docs/operations.md lists."
        yield fault("store use", gathered.trouble, todo)
    if gathered.used is None:
        for check in ("latency of a script", "history", "sinks"):
            yield unknown(check, "the store could not be used")
