"""The ledger on Redis or Valkey: one script per operation, all truth on the server.

Knows which script answers what, and the server's clock; the scripts know the rules. Holds no
state of its own but the clock's offset, so any number of workers may use one store.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from gateway.errors import BadCall
from gateway.metering.jobs import Keep, Kept
from gateway.metering.journal import SHARDS, Entry
from gateway.metering.ledger import (
    AlreadyEnded,
    Balance,
    ClockSkewed,
    Correct,
    Corrected,
    Extend,
    Extended,
    Grant,
    Granted,
    HoldState,
    Refused,
    Release,
    Released,
    Reserve,
    Reserved,
    Settle,
    Settled,
    UnknownHold,
    Voided,
    VoidGrant,
)
from gateway.stores.base import DailyUsage
from gateway.stores.redis import decode, encode, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import (
    DAY_MS,
    day_key,
    day_of,
    due_key,
    hold_key,
    outbox_key,
    shard,
    shard_tag,
)

# As long as the days' hashes are kept, and a bound on what one question may cost.
DAYS_MAX = 400
# Stream entries read at a time: half a megabyte or so, well within a call's time-out.
EVENTS_PAGE = 500


class RedisLedger:
    """Answers `stores.base.Ledger`. The client is opened and closed by whoever made it."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._offset_ms = 0

    async def open(self) -> None:
        """Learn the server's clock; `now_ms` is meaningless before."""
        self._set_clock(await self._client.command("TIME", decode=_time_ms))

    def now_ms(self) -> int:
        return self._offset_ms + time.monotonic_ns() // 1_000_000

    def _set_clock(self, server_ms: int) -> None:
        self._offset_ms = server_ms - time.monotonic_ns() // 1_000_000

    def _answer(self, reply: list[Any]) -> Any:  # noqa: ANN401 - see decode.answer
        self._set_clock(reply[1])
        return decode.answer(reply)

    def reserve(
        self, ask: Reserve
    ) -> asyncio.Future[Reserved | Refused | AlreadyEnded | ClockSkewed]:
        return self._client.run(lua.RESERVE, encode.reserve(ask), self._answer)

    def extend(
        self, ask: Extend
    ) -> asyncio.Future[Extended | Refused | AlreadyEnded | UnknownHold]:
        return self._client.run(lua.EXTEND, encode.extend(ask), self._answer)

    def settle(self, ask: Settle) -> asyncio.Future[Settled | AlreadyEnded]:
        return self._client.run(lua.SETTLE, encode.settle(ask), self._answer)

    def release(self, ask: Release) -> asyncio.Future[Released | AlreadyEnded]:
        return self._client.run(lua.RELEASE, encode.release(ask), self._answer)

    def keep(self, ask: Keep) -> asyncio.Future[Kept | AlreadyEnded]:
        return self._client.run(lua.KEEP, encode.keep(ask), self._answer)

    async def hold(self, account_id: str, hold_id: str) -> HoldState | UnknownHold:
        tag = shard_tag(account_id)
        stored, deadline = await asyncio.gather(
            self._client.command("HGETALL", hold_key(tag, hold_id)),
            self._client.command("ZSCORE", due_key(tag), hold_id),
        )
        return decode.hold_state(stored, deadline)

    async def grant(self, grant: Grant) -> Granted:
        answer: Granted = await self._client.run(lua.GRANT, encode.grant(grant), self._answer)
        return answer

    async def void_grant(self, ask: VoidGrant) -> Voided:
        answer: Voided = await self._client.run(lua.VOID, encode.void_grant(ask), self._answer)
        return answer

    async def correct(self, ask: Correct) -> Corrected:
        request = encode.correct(ask)
        answer: Corrected = await self._client.run(lua.CORRECT, request, self._answer)
        return answer

    async def balance(self, account_id: str) -> Balance:
        def decoded(reply: decode.Reply) -> Balance:
            self._set_clock(reply[0])
            return decode.balance(account_id, reply)

        return await self._client.run(lua.BALANCE, encode.balance(account_id), decoded)

    async def expire_holds(self, *, batch: int = 100) -> int:
        """At most `batch` per shard and call; what is left is due the next time as well."""
        now_ms, tags = self.now_ms(), [shard(number) for number in range(SHARDS)]
        due = await asyncio.gather(
            *(
                self._client.command(
                    "ZRANGEBYSCORE", due_key(tag), "-inf", now_ms, "LIMIT", 0, batch
                )
                for tag in tags
            )
        )
        expired = 0
        for tag, hold_ids in zip(tags, due, strict=True):
            if hold_ids:
                expired += await self._expire(tag, [hold_id.decode() for hold_id in hold_ids])
        return expired

    async def _expire(self, tag: str, hold_ids: Sequence[str]) -> int:
        """Read what each hold touches, then end it; the script checks that it is still so."""
        stored = await asyncio.gather(
            *(self._client.command("HGETALL", hold_key(tag, hold_id)) for hold_id in hold_ids)
        )
        holds = map(decode.stored_hold, hold_ids, stored)
        replies = await asyncio.gather(
            *(
                self._client.run(lua.EXPIRE, encode.expire(hold), _expired)
                for hold in holds
                if hold.account_id
            )
        )
        return sum(replies)

    async def usage_by_day(
        self, account_id: str, *, first_day_ms: int, last_day_ms: int
    ) -> Sequence[DailyUsage]:
        days = range(day_of(first_day_ms), last_day_ms + 1, DAY_MS)
        if len(days) > DAYS_MAX:
            raise BadCall(f"Usage by day covers at most {DAYS_MAX} days; {len(days)} were asked.")
        replies = await asyncio.gather(
            *(self._client.command("HGETALL", day_key(account_id, day_ms)) for day_ms in days)
        )
        return [
            usage
            for day_ms, reply in zip(days, replies, strict=True)
            for usage in decode.daily_usage(day_ms, reply)
        ]

    async def events(self, account_id: str) -> Sequence[Entry]:
        """Reads the whole outbox of the account's shard, other accounts' entries included."""
        found: list[Entry] = []
        outbox, after = outbox_key(shard_tag(account_id)), b"-"
        while True:
            page = await self._client.command("XRANGE", outbox, after, "+", "COUNT", EVENTS_PAGE)
            entries = [decode.entry(entry_id, fields) for entry_id, fields in page]
            found.extend(entry for entry in entries if entry.account_id == account_id)
            if len(page) < EVENTS_PAGE:
                return found
            after = b"(" + page[-1][0]


def _time_ms(reply: Sequence[bytes]) -> int:
    return int(reply[0]) * 1000 + int(reply[1]) // 1000


def _expired(reply: list[Any]) -> bool:
    return bool(reply[0] == b"expired")
