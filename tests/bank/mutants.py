"""Ways to spoil a gateway, each of which the bank test must notice: a test that cannot fail shows
nothing.

A mutant is a copy of the package in which one text was replaced by another. If that text is gone,
the mutant has to be written anew for what stands in its place.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bank.program import Course
from bank.world import DURABLE, Build

import gateway

PACKAGE = Path(gateway.__file__).parent


@dataclass(frozen=True)
class Mutant:
    """`course`: where it shows, within `seconds`. Without `file` nothing is replaced."""

    course: Course
    seconds: float
    file: str = ""
    old: str = ""
    new: str = ""
    store_options: tuple[str, ...] = field(default=DURABLE)


OFTEN = (0.3, 0.8)

MUTANTS: Mapping[str, Mutant] = {
    # The balance is looked at, and taken from a moment later.
    "check then deduct": Mutant(
        Course(faults=(), pause_s=0.03, callers="little"),
        10,
        "stores/redis/ledger.py",
        """\
        return self._client.operate(encode_holds.reserve(ask), self._answer)
""",
        """\
        return asyncio.ensure_future(self._check_then_deduct(ask))

    async def _check_then_deduct(self, ask):
        from dataclasses import replace

        check = replace(ask, probe=True, only_if_ample=False)
        checked = await self._client.operate(encode_holds.reserve(check), self._answer)
        if not isinstance(checked, Reserved):
            return checked
        await asyncio.sleep(0.02)
        deduct = replace(ask, observe=True, only_if_ample=False)
        return await self._client.operate(encode_holds.reserve(deduct), self._answer)
""",
    ),
    # A settlement that is asked for again is booked again.
    "settle without id": Mutant(
        Course(faults=("lose answer",), every_s=OFTEN, lasts_s=(1, 2), pause_s=0.1),
        12,
        "stores/redis/scripts/settle.lua",
        "if hold.state == 'settled' or hold.state == 'released' then",
        "if hold.state == 'released' then",
    ),
    # A stream whose provider reports nothing is given away.
    "refund on missing usage": Mutant(
        Course(faults=(), profile="no usage"),
        5,
        "proxy/hold.py",
        """\
        if report is not None:
            self._settle(report)
""",
        """\
        if report is None:
            self._settlements.release(self.ticket.release())
        elif report is not None:
            self._settle(report)
""",
    ),
    # An expired hold's tombstone does not say what it was charged.
    "expiry tells nothing": Mutant(
        Course(
            faults=("stop gateway",), every_s=OFTEN, lasts_s=(3.3, 3.6), pause_s=0.1, profile="slow"
        ),
        14,
        "stores/redis/scripts/expire.lua",
        "tombstone.checkpoint, tombstone.pieces, tombstone.event = owed, ",
        "tombstone.pieces, tombstone.event = ",
    ),
    # What the store did not confirm is not written to disk.
    "no spool": Mutant(
        Course(
            faults=("stop store", "kill store", "hang store line"),
            every_s=OFTEN,
            lasts_s=(2, 3),
            pause_s=0.1,
        ),
        12,
        "proxy/settlements.py",
        "            await self._spool.append(ask)\n",
        "",
    ),
    # What the store confirmed is not written to disk.
    "no append-only file": Mutant(
        Course(faults=("kill store",), every_s=(2, 3)), 12, store_options=("--appendonly", "no")
    ),
    # What was promised of an advance is not taken off it.
    "advance without end": Mutant(
        Course(
            faults=("cut store line",),
            every_s=(4.0, 6.0),
            lasts_s=(4.0, 5.0),
            pause_s=0.02,
            profile="fast",
            callers="away",
        ),
        16,
        "metering/advances.py",
        "promised_ucr=advance.promised_ucr + ucr, promises=",
        "promises=",
    ),
    # What the store confirmed a moment before it was lost is not asked for again.
    "confirmed is forgotten": Mutant(
        Course(faults=("lose primary",), every_s=OFTEN, lasts_s=(0.5, 1), pause_s=0.05),
        14,
        "proxy/settlements.py",
        "        self._recent.doubt()\n",
        "        return\n",
    ),
    # A stream without its terminator counts as one that failed, and is given away.
    "[DONE] required": Mutant(
        Course(faults=(), profile="no done"),
        5,
        "proxy/meter.py",
        """\
        reported = None if self._cut else self._reader.close()
""",
        """\
        self.digest()
        if not getattr(getattr(self._reader, "_closing", None), "_done", True):
            return UsageReport(Usage(), Provenance.COUNTED)
        reported = None if self._cut else self._reader.close()
""",
    ),
}


def spoilt(name: str, folder: Path) -> tuple[Build, Course]:
    """A copy of the package with that mutation, and the course that is to show it."""
    mutant = MUTANTS[name]
    if not mutant.file:
        return Build(store_options=mutant.store_options), mutant.course
    root = folder / "spoilt"
    shutil.copytree(PACKAGE, root / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    path = root / "gateway" / mutant.file
    source = path.read_text()
    assert source.count(mutant.old) == 1, f"{mutant.file} has no such text any more: {mutant.old}"
    path.write_text(source.replace(mutant.old, mutant.new))
    return Build(package_root=root, store_options=mutant.store_options), mutant.course
