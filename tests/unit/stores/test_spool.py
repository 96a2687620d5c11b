"""Settlements on a real disk: torn, full, shared, adopted, and back as they went in."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asks import settle

from gateway.errors import ConfigError, StoreUnavailable
from gateway.metering.events import End, UsageEvent
from gateway.metering.hedging import CutOff
from gateway.metering.ledger import Settle
from gateway.metering.limits import Charge, Limit, Scope, Unit, Window
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.stores import spool as spool_module
from gateway.stores.spool import FileSpool
from gateway.stores.spool_lines import ask_of, line_of, payload_for, payload_of

AMOUNTS = st.integers(min_value=0, max_value=2**53 - 1)
NAMES = st.text(max_size=20)
LIMITS = st.builds(
    Limit,
    unit=st.sampled_from(Unit),
    ceiling=AMOUNTS,
    window=st.sampled_from(Window),
    scope=st.sampled_from(Scope),
    shadow=st.booleans(),
)
CHARGES = st.builds(
    Charge,
    limit=LIMITS,
    bucket=NAMES,
    least=AMOUNTS,
    full=AMOUNTS,
    resets_ms=AMOUNTS,
    expires_ms=AMOUNTS,
)
USAGES = st.builds(
    Usage,
    **dict.fromkeys(map(str, TokenClass), AMOUNTS),
    pieces=st.dictionaries(st.sampled_from(["image.hd", "web_search"]), AMOUNTS).map(
        lambda counts: tuple(sorted(counts.items()))
    ),
    service_tier=st.sampled_from(["", "batch"]),
)
EVENTS = st.builds(
    UsageEvent,
    **dict.fromkeys(
        (
            *("event_id", "account_id", "key_id", "provider", "dialect"),
            *("model_requested", "model", "rate_version"),
        ),
        NAMES,
    ),
    **dict.fromkeys(("started_ms", "held_ucr", "charge_ucr", "ttfb_ms", "duration_ms"), AMOUNTS),
    stream=st.booleans(),
    usage=USAGES,
    provenance=st.sampled_from(Provenance),
    end=st.sampled_from(End),
    http_status=st.integers(100, 599),
    cut_off=st.none() | st.builds(CutOff, provider=NAMES, model=NAMES, rate_id=NAMES),
    unmapped=st.dictionaries(NAMES, AMOUNTS | st.floats(allow_nan=False, allow_infinity=False)),
)
SETTLES = st.builds(
    Settle,
    hold_id=NAMES,
    account_id=NAMES,
    charges=st.lists(CHARGES, max_size=3).map(tuple),
    amounts=st.lists(AMOUNTS, max_size=3).map(tuple),
    event=EVENTS,
    observe=st.booleans(),
)

Open = Callable[..., FileSpool]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def opened(folder: Path) -> AsyncIterator[Open]:
    """Opens spools that are closed when the test ends."""
    spools: list[FileSpool] = []

    def open_(worker_index: int = 0, **limits: int) -> FileSpool:
        spools.append(FileSpool(folder, worker_index=worker_index, **limits))
        return spools[-1]

    yield open_
    for each in spools:
        await each.close()


async def hold_ids(spool: FileSpool) -> list[str]:
    return [waiting.ask.hold_id for waiting in await spool.pending()]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def only_file(folder: Path) -> Path:
    (path,) = files(folder)
    return path


@given(ask=SETTLES)
def test_a_settlement_comes_back_as_it_went_in(ask: Settle) -> None:
    line = line_of(payload_for(ask))

    assert ask == ask_of(payload_of(line))
    assert 1 == line.count(b"\n")


def test_fields_a_newer_version_wrote_are_left_out() -> None:
    payload = payload_for(settle("h1", 5))
    newer = payload.replace(b'{"event_id"', b'{"colour":"blue","event_id"')

    assert payload != newer
    assert settle("h1", 5) == ask_of(newer)


@given(ask=SETTLES, data=st.data())
def test_a_line_cut_anywhere_or_with_one_byte_changed_is_not_read(
    ask: Settle, data: st.DataObject
) -> None:
    line = line_of(payload_for(ask))
    at = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.integers(1, 255))

    assert payload_of(line[:at]) is None
    assert payload_of(line[:at] + bytes([line[at] ^ other]) + line[at + 1 :]) is None


async def test_what_is_appended_waits_in_order_until_it_is_confirmed(opened: Open) -> None:
    spool = opened()
    for hold_id in ("h1", "h2", "h3"):
        await spool.append(settle(hold_id, 5))

    waiting = await spool.pending()

    assert [settle("h1", 5), settle("h2", 5), settle("h3", 5)] == [each.ask for each in waiting]
    assert 3 == spool.waiting

    await spool.confirm(waiting[1].position)

    assert ["h3"] == await hold_ids(spool)
    assert 1 == spool.waiting


async def test_no_more_than_a_batch_is_read(opened: Open) -> None:
    spool = opened()
    for number in range(5):
        await spool.append(settle(f"h{number}", 5))

    assert ["h0", "h1"] == [each.ask.hold_id for each in await spool.pending(batch=2)]


async def test_a_fully_confirmed_file_is_empty_and_positions_still_grow(
    opened: Open, folder: Path
) -> None:
    spool = opened()
    await spool.append(settle("h1", 5))
    (first,) = await spool.pending()
    await spool.confirm(first.position)

    assert 0 == only_file(folder).stat().st_size
    assert 0 == spool.waiting

    await spool.append(settle("h2", 5))
    (second,) = await spool.pending()

    assert second.position > first.position


async def test_what_was_confirmed_stays_confirmed_for_the_next_process(opened: Open) -> None:
    spool = opened()
    for hold_id in ("h1", "h2", "h3"):
        await spool.append(settle(hold_id, 5))
    await spool.confirm((await spool.pending())[0].position)
    await spool.append(settle("h4", 5))
    await spool.close()

    again = opened()

    assert ["h2", "h3", "h4"] == await hold_ids(again)
    assert 3 == again.waiting


async def test_confirming_an_older_position_again_takes_nothing_back(opened: Open) -> None:
    spool = opened()
    for hold_id in ("h1", "h2", "h3"):
        await spool.append(settle(hold_id, 5))
    first, second, _ = await spool.pending()
    await spool.confirm(second.position)

    await spool.confirm(first.position)

    assert ["h3"] == await hold_ids(spool)


async def test_a_last_line_torn_anywhere_is_ignored_and_written_over(
    opened: Open, folder: Path
) -> None:
    spool = opened()
    await spool.append(settle("h1", 5))
    await spool.close()
    whole = only_file(folder).read_bytes()

    for cut in range(1, len(whole), 11):
        only_file(folder).write_bytes(whole + whole[:cut])
        torn = FileSpool(folder, worker_index=0)
        await torn.append(settle("h2", 5))

        assert ["h1", "h2"] == await hold_ids(torn)
        assert 0 == torn.damaged

        await torn.close()


async def test_a_damaged_line_is_counted_and_costs_no_other(opened: Open, folder: Path) -> None:
    spool = opened()
    for hold_id in ("h1", "h2", "h3"):
        await spool.append(settle(hold_id, 5))
    await spool.close()
    path = only_file(folder)
    path.write_bytes(path.read_bytes().replace(b"h2", b"hX", 1))

    damaged = opened()

    assert ["h1", "h3"] == await hold_ids(damaged)
    assert 1 == damaged.damaged


async def test_appends_that_come_together_share_an_fsync(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(file), fsync(file)))

    await asyncio.gather(*(spool.append(settle(f"h{number}", 5)) for number in range(100)))

    # The first goes alone; all that came meanwhile go with the second.
    assert 2 == len(synced)
    assert 100 == spool.waiting


async def test_an_append_whose_caller_was_cancelled_is_written_all_the_same(opened: Open) -> None:
    spool = opened()
    caller = asyncio.ensure_future(spool.append(settle("h1", 5)))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)

    await spool.append(settle("h2", 5))

    assert ["h1", "h2"] == await hold_ids(spool)


async def test_a_full_spool_refuses_and_tells_so_before(opened: Open) -> None:
    line_bytes = len(line_of(payload_for(settle("h1", 5))))
    spool = opened(bytes_max=2 * line_bytes, reserve_bytes=line_bytes)
    await spool.append(settle("h1", 5))

    assert spool.healthy

    await spool.append(settle("h2", 5))

    assert not spool.healthy
    with pytest.raises(StoreUnavailable):
        await spool.append(settle("h3", 5))

    await spool.confirm((await spool.pending())[-1].position)

    assert spool.healthy
    await spool.append(settle("h3", 5))
    assert ["h3"] == await hold_ids(spool)


async def test_a_disk_that_refuses_makes_it_unhealthy_until_the_disk_takes_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "PROBE_S", 0.01)
    spool = opened()
    await spool.append(settle("h1", 5))
    pwrite = os.pwrite
    full = True
    asked_again = asyncio.Event()
    loop = asyncio.get_running_loop()

    def limited(file: int, content: memoryview, offset: int) -> int:
        if not full:
            return pwrite(file, content, offset)
        loop.call_soon_threadsafe(asked_again.set)
        # As a disk does that runs full: it takes a part, then nothing.
        if len(content) > 7:
            return pwrite(file, content[:7], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", limited)
    with pytest.raises(StoreUnavailable):
        await spool.append(settle("h" * 99, 5))
    asked_again.clear()
    await asyncio.wait_for(asked_again.wait(), 2)

    assert not spool.healthy

    full = False
    async with asyncio.timeout(2):
        while not spool.healthy:
            await asyncio.sleep(0.01)

    await spool.append(settle("h2", 5))
    assert ["h1", "h2"] == await hold_ids(spool)


async def test_two_processes_of_one_worker_index_have_a_file_each(
    opened: Open, folder: Path
) -> None:
    first, second = opened(), opened()
    await first.append(settle("h1", 5))
    await second.append(settle("h2", 5))

    assert ["h1"] == await hold_ids(first)
    assert ["h2"] == await hold_ids(second)
    assert 2 == len(files(folder))


async def test_files_of_dead_processes_are_adopted_and_those_of_living_ones_are_not(
    opened: Open,
) -> None:
    dead, living = opened(worker_index=3), opened(worker_index=2)
    for hold_id in ("h1", "h2"):
        await dead.append(settle(hold_id, 5))
    await dead.confirm((await dead.pending())[0].position)
    await living.append(settle("h3", 5))
    await dead.close()

    heir = opened(worker_index=0)

    assert ["h2"] == await hold_ids(heir)

    await heir.close()

    # Taken over once: the emptied file adds nothing when the heir is opened again.
    assert ["h2"] == await hold_ids(opened(worker_index=0))


async def test_an_heir_takes_no_more_than_fits(opened: Open) -> None:
    dead = opened(worker_index=3)
    await dead.append(settle("h1", 5))
    await dead.close()

    small = opened(worker_index=0, bytes_max=100, reserve_bytes=0)

    assert 0 == small.waiting
    assert ["h1"] == await hold_ids(opened(worker_index=3))


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from support.asks import settle
from gateway.stores.spool import FileSpool

async def main():
    spool = FileSpool(Path(sys.argv[1]), worker_index=0)
    for number in range(3):
        await spool.append(settle(f"h{number}", 5))
    await spool.confirm((await spool.pending())[0].position)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_killed_between_append_and_confirm_leaves_what_was_not_confirmed(
    opened: Open, folder: Path
) -> None:
    root = Path(__file__).parents[3]
    killed = await asyncio.to_thread(
        lambda: subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, check=False)
    )

    assert -9 == killed.returncode
    assert ["h1", "h2"] == await hold_ids(opened())


async def test_closing_waits_for_what_is_being_written(opened: Open) -> None:
    spool = opened()
    callers = [asyncio.ensure_future(spool.append(settle(f"h{n}", 5))) for n in range(3)]
    await asyncio.sleep(0)

    await spool.close()
    await asyncio.gather(*callers)

    assert ["h0", "h1", "h2"] == await hold_ids(opened())
    with pytest.raises(StoreUnavailable):
        await spool.append(settle("h4", 5))


def test_a_place_that_is_no_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="data_dir"):
        FileSpool(tmp_path / "file", worker_index=0)
