"""The client against real servers: credentials, databases, start and end."""

from collections.abc import Iterator

import pytest
from support.redis_server import Server

from gateway.errors import GatewayError, StoreUnavailable
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.node import State
from gateway.tasks import TaskSet


@pytest.fixture
def guarded_server() -> Iterator[Server]:
    server = Server("redis", "--requirepass", "open sesame")
    server.start()
    yield server
    server.stop()


async def test_a_password_opens_a_guarded_store(guarded_server: Server) -> None:
    path = guarded_server.socket_path
    client = RedisClient(f"unix://:open%20sesame@{path}", tasks=TaskSet(), timeout_s=5.0)
    await client.open()

    await client.ping()

    await client.close()


@pytest.mark.parametrize("secret", ["", ":wrong@"])
async def test_without_the_password_the_store_is_unavailable(
    guarded_server: Server, secret: str
) -> None:
    tasks = TaskSet()
    client = RedisClient(f"unix://{secret}{guarded_server.socket_path}", tasks=tasks)

    with pytest.raises(StoreUnavailable) as caught:
        await client.open()

    assert "wrong" not in str(caught.value)
    assert (State.LOST, 0) == (client.state, len(tasks))


async def test_nobody_listening_is_said_plainly() -> None:
    tasks = TaskSet()
    client = RedisClient("unix:///nowhere/store.sock", tasks=tasks)

    with pytest.raises(StoreUnavailable, match="address"):
        await client.open()

    assert 0 == len(tasks)


async def test_a_database_number_is_selected(store_server: Server) -> None:
    first = RedisClient(store_server.url, tasks=TaskSet(), timeout_s=5.0)
    third = RedisClient(f"{store_server.url}?db=3", tasks=TaskSet(), timeout_s=5.0)
    await first.open()
    await third.open()
    await third.command("SET", "x", "1")

    assert [0, 1] == [await client.command("EXISTS", "x") for client in (first, third)]

    await first.close()
    await third.close()


async def test_a_closed_client_stays_closed(store_server: Server) -> None:
    tasks = TaskSet()
    client = RedisClient(store_server.url, tasks=tasks, timeout_s=5.0)
    await client.open()
    sent = client.command("SET", "x", "1")
    await client.close()

    with pytest.raises(StoreUnavailable):
        await sent
    with pytest.raises(StoreUnavailable):
        await client.ping()

    assert (State.LOST, 0) == (client.state, len(tasks))


async def test_a_wrong_command_is_our_error_not_the_stores(store_client: RedisClient) -> None:
    with pytest.raises(GatewayError, match="NONSENSE") as caught:
        await store_client.command("NONSENSE", "sk-secret")

    assert not isinstance(caught.value, StoreUnavailable)
    assert "secret" not in str(caught.value)
