"""Totals of each account in Prometheus' text format, for node exporter's textfile collector.

The gateway's own metrics carry no account: here whoever wants accounts in Prometheus gets them, as
counters that survive a restart. Each worker has its own file, `<name>-<writer>.prom`, and its own
`writer` label: add them up in queries. Beside it lies what the file is made from, with the ids of
the last records, so that one that comes again is not counted again.

For watching, not for billing: a record that was counted and not acknowledged when its worker died
may be counted once more by another worker.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.sinks.base import DELIVERED, DUPLICATE, Customers, Limits, Outcome, Shipment, retry

# More than all lanes together can have in hand.
RECENT_MAX = 10_000
OTHER = "other"
CHARGE = "tollkeeper_account_charge_microcredits_total"
RECORDS = "tollkeeper_account_records_total"
TOKENS = "tollkeeper_account_usage_total"
HELP = {
    CHARGE: "Microcredits charged to the account.",
    RECORDS: "Usage records of the account.",
    TOKENS: "Tokens by class, and pieces by kind, that the account used.",
}

Totals = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsOptions:
    folder: Path
    accounts_max: int


class TotalsSink:
    customers = Customers()

    def __init__(self, name: str, options: TotalsOptions, limits: Limits, *, writer: str) -> None:
        self.name, self.limits = name, limits
        self._options = options
        self._writer = writer
        self._totals: Totals = {}
        self._recent: dict[str, None] = {}
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        await asyncio.to_thread(self._load)

    async def close(self) -> None:
        """Nothing is open between deliveries."""

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        async with self._turn:
            kept = {account: dict(totals) for account, totals in self._totals.items()}
            recent = dict(self._recent)
            outcomes = [self._count(shipment) for shipment in shipments]
            try:
                await asyncio.to_thread(self._store)
            except OSError as error:
                self._totals, self._recent = kept, recent
                return [retry(f"the file cannot be written: {error.strerror}")] * len(shipments)
        return outcomes

    def _count(self, shipment: Shipment) -> Outcome:
        record = shipment.record
        if record.record_id in self._recent:
            return DUPLICATE
        self._recent[record.record_id] = None
        if len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        known = record.account_id in self._totals
        full = len(self._totals) >= self._options.accounts_max
        account = OTHER if full and not known else record.account_id
        totals = self._totals.setdefault(account, {})
        for name, count in (("", 1), ("charge", record.charge_ucr), *record.usage.items()):
            totals[name] = totals.get(name, 0) + count
        return DELIVERED

    # What follows blocks, and runs in a thread.

    def _path(self, suffix: str) -> Path:
        return self._options.folder / f"{self.name}-{self._writer}{suffix}"

    def _load(self) -> None:
        self._options.folder.mkdir(parents=True, exist_ok=True)
        try:
            state: dict[str, Any] = orjson.loads(self._path(".state").read_bytes())
        except FileNotFoundError:
            return
        self._totals = state["totals"]
        self._recent = dict.fromkeys(state["recent"])

    def _store(self) -> None:
        state = orjson.dumps({"totals": self._totals, "recent": list(self._recent)})
        _replace(self._path(".state"), state)
        _replace(self._path(".prom"), "".join(self._lines()).encode())

    def _lines(self) -> Iterator[str]:
        for family, explained in HELP.items():
            yield f"# HELP {family} {explained}\n# TYPE {family} counter\n"
            for account, totals in sorted(self._totals.items()):
                labels = f'account="{account}",writer="{self._writer}"'
                if family is CHARGE:
                    yield f"{family}{{{labels}}} {totals['charge']}\n"
                elif family is RECORDS:
                    yield f"{family}{{{labels}}} {totals['']}\n"
                else:
                    for name, count in sorted(totals.items()):
                        if name not in ("", "charge"):
                            yield f'{family}{{{labels},class="{name}"}} {count}\n'


def _replace(path: Path, content: bytes) -> None:
    """In one step, and on the disk before the step."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
