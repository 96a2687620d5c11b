"""The embedded server as its users meet it: several processes, some of which are killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.embedded_user import EmbeddedUser

from gateway.errors import ConfigError, StoreUnavailable
from gateway.stores import embedded
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.embedded_keeper import KEEPER_LOCK, LOG_FILE, PID_FILE

GONE_S = 2.0


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url, decode_responses=True) as client:
        yield client


async def server_pid(url: str) -> int:
    async with connected(url) as client:
        return (await client.info("server"))["process_id"]


async def wait_until_gone(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(process, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), GONE_S)
    finally:
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)


def keeper_pid(data_dir: Path) -> int:
    """From the kernel's table of locks: `1: FLOCK ADVISORY WRITE <pid> <device>:<inode> 0 EOF`."""
    inode = (data_dir / "valkey" / KEEPER_LOCK).stat().st_ino
    rows = [row.split() for row in Path("/proc/locks").read_text().splitlines()]
    holders = [int(row[4]) for row in rows if row[5].endswith(f":{inode}")]
    return holders[0]


@contextmanager
def using(data_dir: Path) -> Iterator[str]:
    with EmbeddedServer(data_dir) as url:
        yield url


async def test_two_processes_share_one_server(tmp_path: Path) -> None:
    first, second = await asyncio.gather(EmbeddedUser.start(tmp_path), EmbeddedUser.start(tmp_path))

    pids = [await server_pid(first.url), await server_pid(second.url)]

    assert first.url == second.url
    assert pids[0] == pids[1]

    await first.leave()

    assert pids[0] == await server_pid(second.url)

    await second.leave()
    await wait_until_gone(pids[0])


async def test_the_starters_death_leaves_the_others_working(tmp_path: Path) -> None:
    starter = await EmbeddedUser.start(tmp_path)
    other = await EmbeddedUser.start(tmp_path)
    pid = await server_pid(other.url)

    await starter.kill()

    assert pid == await server_pid(other.url)

    await other.leave()
    await wait_until_gone(pid)


async def test_when_every_user_was_killed_the_server_ends_and_a_later_one_starts_anew(
    tmp_path: Path,
) -> None:
    users = [await EmbeddedUser.start(tmp_path) for _ in range(2)]
    pid = await server_pid(users[0].url)
    async with connected(users[0].url) as client:
        await client.set("kept", "yes")

    await asyncio.gather(*(user.kill() for user in users))
    later = await EmbeddedUser.start(tmp_path)

    async with connected(later.url) as client:
        assert "yes" == await client.get("kept")
    await later.leave()
    await wait_until_gone(pid)


async def test_data_is_there_after_the_server_was_ended_and_started(tmp_path: Path) -> None:
    with using(tmp_path) as url:
        first_pid = await server_pid(url)
        async with connected(url) as client:
            await client.set("balance", 42)
    await wait_until_gone(first_pid)

    with using(tmp_path) as url:
        async with connected(url) as client:
            assert "42" == await client.get("balance")
            assert first_pid != (await client.info("server"))["process_id"]


async def test_a_server_that_was_killed_is_started_again_with_its_data(tmp_path: Path) -> None:
    with using(tmp_path) as url:
        pid = await server_pid(url)
        async with connected(url) as client:
            await client.set("balance", 42)
        os.kill(pid, signal.SIGKILL)
        await wait_until_gone(pid)

        with using(tmp_path) as again:
            assert url == again
            async with connected(again) as client:
                assert "42" == await client.get("balance")


@pytest.mark.parametrize("after", ["another_arrives", "the_last_leaves"])
async def test_a_killed_keeper_is_replaced(tmp_path: Path, after: str) -> None:
    server = EmbeddedServer(tmp_path)
    pid = await server_pid(server.acquire())
    keeper = keeper_pid(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    await wait_until_gone(keeper)

    if after == "another_arrives":
        with using(tmp_path) as url:
            assert pid == await server_pid(url)
            assert keeper != keeper_pid(tmp_path)
    server.leave()

    await wait_until_gone(pid)


async def test_users_that_come_and_go_at_once_always_find_a_server(tmp_path: Path) -> None:
    """Arrivals race the end that the previous last user caused; each must find a live server."""
    pids = set()

    async def come_and_go() -> None:
        for _ in range(6):
            server = EmbeddedServer(tmp_path)
            pids.add(await server_pid(await asyncio.to_thread(server.acquire)))
            await asyncio.to_thread(server.leave)

    await asyncio.gather(*(come_and_go() for _ in range(3)))

    for pid in pids:
        await wait_until_gone(pid)


async def test_the_interrupt_key_reaches_neither_server_nor_keeper(tmp_path: Path) -> None:
    with using(tmp_path) as url:
        pids = await server_pid(url), keeper_pid(tmp_path)

        assert all(os.getsid(pid) != os.getsid(0) for pid in pids)
        assert all(os.getpgid(pid) != os.getpgid(0) for pid in pids)


async def test_a_signal_to_the_keeper_does_not_end_a_server_in_use(tmp_path: Path) -> None:
    with using(tmp_path) as url:
        pid = await server_pid(url)
        os.kill(keeper_pid(tmp_path), signal.SIGTERM)

        assert pid == await server_pid(url)
        assert keeper_pid(tmp_path)


async def test_the_server_is_durable_and_never_evicts_or_listens_to_the_network(
    tmp_path: Path,
) -> None:
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "port": "0",
        "unixsocketperm": "700",
    }
    with using(tmp_path) as url:
        async with connected(url) as client:
            assert wanted == await client.config_get(*wanted)
    assert 0o700 == (tmp_path / "valkey").stat().st_mode & 0o777


async def test_a_long_data_directory_gets_a_short_socket_that_others_find(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with using(deep) as url:
        user = await EmbeddedUser.start(deep)

        assert url == user.url
        assert len(url) < 107

        await user.leave()


async def test_a_copied_data_directory_does_not_lead_to_the_originals_server(
    tmp_path: Path,
) -> None:
    with using(tmp_path / "original") as original:
        copy = tmp_path / "copy" / "valkey"
        copy.mkdir(parents=True, mode=0o700)
        record = (tmp_path / "original/valkey/socket.path").read_text()
        (copy / "socket.path").write_text(record)
        with using(tmp_path / "copy") as url:
            assert original != url


def test_leaving_without_having_acquired_changes_nothing(tmp_path: Path) -> None:
    EmbeddedServer(tmp_path).leave()

    assert [] == list(tmp_path.iterdir())


def test_a_missing_binary_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=r"store\.url"):
        EmbeddedServer(tmp_path).acquire()


def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "valkey" / "appendonlydir"
    log.mkdir(parents=True, mode=0o700)
    log.parent.chmod(0o700)
    (log / "appendonly.aof.manifest").write_text("no manifest\n")

    with pytest.raises(StoreUnavailable, match="manifest"):
        EmbeddedServer(tmp_path).acquire()

    assert (tmp_path / "valkey" / LOG_FILE).exists()


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    folder.chmod(0o755)

    with pytest.raises(ConfigError, match="700"):
        EmbeddedServer(tmp_path).acquire()


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"data_dir"):
        EmbeddedServer(tmp_path / "file").acquire()


def test_the_pid_file_names_the_running_server(tmp_path: Path) -> None:
    with using(tmp_path):
        pid = int((tmp_path / "valkey" / PID_FILE).read_text())

        assert "valkey-server" in Path(f"/proc/{pid}/cmdline").read_text()
