"""Files of records: whole lines, finished files that never change, nothing lost in a crash."""

import errno
import os
from pathlib import Path

import orjson
import pytest
from support.records import SETTLED_MS, shipment

from gateway.sinks.base import Fate, Limits
from gateway.sinks.json_lines import JsonLinesOptions, JsonLinesSink


def sink_in(folder: Path, *, file_bytes_max: int = 1 << 20, age_s: float = 3600) -> JsonLinesSink:
    options = JsonLinesOptions(
        folder=folder, file_bytes_max=file_bytes_max, file_age_max_s=age_s, fsync=True
    )
    limits = Limits(events_max=10)
    return JsonLinesSink("lake", options, limits, writer="h-1-0", now_ms=lambda: SETTLED_MS)


def ids(folder: Path, pattern: str = "*") -> list[str]:
    return [
        orjson.loads(line)["id"]
        for path in sorted(folder.glob(pattern))
        for line in path.read_bytes().splitlines()
    ]


async def test_a_record_is_a_line_and_a_stopped_file_is_finished(tmp_path: Path) -> None:
    sink = sink_in(tmp_path / "new" / "lake")
    await sink.open()
    outcomes = await sink.deliver([shipment("r1", 5), shipment("r2", 6)])
    [part] = (tmp_path / "new" / "lake").iterdir()
    await sink.close()
    [finished] = (tmp_path / "new" / "lake").iterdir()

    assert [Fate.DELIVERED] * 2 == [each.fate for each in outcomes]
    assert "lake-h-1-0.jsonl.part" == part.name
    assert "lake-20261123T101412377Z-h-1-0.jsonl" == finished.name
    assert ["r1", "r2"] == ids(tmp_path / "new" / "lake")


async def test_a_full_file_is_finished_and_another_begun(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, file_bytes_max=1)
    await sink.open()
    for number in range(3):
        await sink.deliver([shipment(f"r{number}", 1)])

    assert 2 == len(list(tmp_path.glob("*.jsonl")))
    assert ["r2"] == ids(tmp_path, "*.part")
    await sink.close()
    assert ["r0", "r1", "r2"] == sorted(ids(tmp_path))


async def test_an_old_file_is_finished_at_the_next_record(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, age_s=0)
    await sink.open()
    await sink.deliver([shipment("r1", 1)])
    await sink.deliver([shipment("r2", 1)])

    assert ["r1"] == ids(tmp_path, "*.jsonl")
    await sink.close()


async def test_a_line_that_a_crash_cut_short_is_removed(tmp_path: Path) -> None:
    dead = sink_in(tmp_path)
    await dead.open()
    await dead.deliver([shipment("r1", 1)])
    with dead._part.open("ab") as part:
        part.write(b'{"id": "r2", "da' + b"x" * 100_000)
    # As the system does for a process that died.
    os.close(dead._descriptor)

    heir = sink_in(tmp_path)
    await heir.open()

    assert ["r1"] == ids(tmp_path, "*.jsonl")
    assert [] == list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("content", [b"", b"no line break"])
async def test_a_file_without_a_whole_line_vanishes(tmp_path: Path, content: bytes) -> None:
    sink = sink_in(tmp_path)
    (tmp_path / "lake-h-1-0.jsonl.part").write_bytes(content)
    await sink.open()

    assert [] == list(tmp_path.iterdir())


async def test_a_process_that_is_being_replaced_and_its_successor_write_files_of_their_own(
    tmp_path: Path,
) -> None:
    leaving, successor = sink_in(tmp_path), sink_in(tmp_path)
    await leaving.open()
    await leaving.deliver([shipment("r1", 1)])
    await successor.open()
    await successor.deliver([shipment("r2", 1)])
    await leaving.deliver([shipment("r3", 1)])
    await leaving.close()
    await successor.close()

    assert [] == list(tmp_path.glob("*.part"))
    assert [["r1", "r3"], ["r2"]] == sorted(ids(tmp_path, path.name) for path in tmp_path.iterdir())


async def test_a_disk_that_refuses_is_asked_again_and_keeps_whole_lines(
    tmp_path: Path, monkeypatch
) -> None:
    sink = sink_in(tmp_path)
    await sink.open()
    await sink.deliver([shipment("r1", 1)])

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        [refused] = await sink.deliver([shipment("r2", 1)])
    await sink.deliver([shipment("r3", 1)])

    assert Fate.RETRY is refused.fate
    assert "No space left" in refused.reason
    assert ["r1", "r3"] == ids(tmp_path)
    await sink.close()
