"""The store answers, but not with what was asked: no admission, nothing charged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateways import running_gateway
from support.redis_server import KINDS, Server


@pytest.fixture(params=KINDS)
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param).start()
    yield server
    server.stop()


async def test_a_full_store_refuses_calls_and_recovers(tmp_path: Path, own_server: Server) -> None:
    async with running_gateway(tmp_path, own_server.url) as tk:
        async with tk.chat(simulate="tokens=2") as answer:
            assert 200 == answer.status
        await tk.settled()
        own_server.ask("CONFIG", "SET", "maxmemory", "1")
        own_server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        async with tk.chat() as answer:
            assert 503 == answer.status
            assert b"metering_unavailable" in await answer.read()
        own_server.ask("CONFIG", "SET", "maxmemory", "0")
        async with tk.chat(simulate="tokens=2") as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()
        assert 2 == len(await tk.events())


async def test_a_read_only_store_refuses_calls(tmp_path: Path, own_server: Server) -> None:
    """As a master that was demoted to a replica answers: READONLY."""
    async with running_gateway(tmp_path, own_server.url) as tk:
        own_server.ask("REPLICAOF", "127.0.0.1", "1")
        async with tk.chat() as answer:
            assert 503 == answer.status
        own_server.ask("REPLICAOF", "NO", "ONE")
        async with tk.chat(simulate="tokens=2") as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()


async def test_without_a_place_for_settlements_nothing_is_admitted(
    tmp_path: Path, own_server: Server
) -> None:
    async with running_gateway(tmp_path, own_server.url) as tk:
        tk.gateway._spool._bytes_max = 0
        async with tk.chat() as answer:
            assert 503 == answer.status
        url = f"http://127.0.0.1:{tk.gateway.admin_port}/readyz"
        async with tk.http.get(url) as answer:
            assert 503 == answer.status
            assert b"spool" in await answer.read()
        assert not tk.provider.journal.entries
        tk.gateway._spool._bytes_max = 1 << 30
        async with tk.chat(simulate="tokens=2") as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()
