"""Plain commands to the store over redis-py: for what is no ledger operation and no hot path."""

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.stores.redis.address import bad_url
from gateway.stores.redis.replies import unavailable

CONNECTIONS = 16
# Commands and start-up have more patience than calls.
ANSWER_S = 2.0

Command = tuple[str | bytes | int, ...]


class PlainClient:
    """A small pool of connections. `redis` is the library's client, for subscriptions."""

    def __init__(self, url: str) -> None:
        self.redis = _client(url)

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self.redis.aclose()

    async def ask(
        self, *commands: Command, atomic: bool = False, timeout_s: float = ANSWER_S
    ) -> list[Any]:  # Any: the library's replies
        """The replies, in one round trip; `atomic` asks for a transaction in one slot.

        Errors of the library become ours, without its text: the server's may quote an argument.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.redis.pipeline(transaction=atomic) as pipeline,
            ):
                for command in commands:
                    pipeline.pipeline_execute_command(*command)  # type: ignore[no-untyped-call]
                replies: list[Any] = await pipeline.execute()
                return replies
        except TimeoutError:
            raise unavailable("a record was not answered in time") from None
        except (RedisError, OSError) as error:
            why = f"a record could not be read or written ({type(error).__name__})"
            raise unavailable(why) from None


def _client(url: str) -> Redis:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            # The library's own retries would send a command up to eleven times.
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            protocol=2,
        )
    except ValueError:
        raise bad_url() from None
    return Redis.from_pool(pool)
