"""The ledger on Redis or Valkey: one script per operation, all truth on the server.

Knows which script answers what, and the server's clock; the scripts know the rules. Holds no
state of its own but the clock's offset and which shards are closed, so any number of workers may
use one store.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from gateway.errors import BadCall, StoreBehind
from gateway.metering.balance import Balance, Look
from gateway.metering.jobs import Keep, Kept
from gateway.metering.journal import SHARDS, Entry, shard_of
from gateway.metering.ledger import (
    AlreadyEnded,
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
from gateway.stores.redis import decode, encode, encode_holds, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.each_shard import ask_shards
from gateway.stores.redis.layout import (
    DAY_MS,
    day_key,
    day_of,
    due_key,
    outbox_key,
    shard,
    shard_tag,
)

# As long as the days' hashes are kept, and a bound on what one question may cost.
DAYS_MAX = 400
# Of an account's grants that are used up, the newest stay as they were for whoever looks.
USED_UP_KEPT = 32
# Stream entries read at a time: half a megabyte or so, well within a call's time-out.
EVENTS_PAGE = 500
NS_PER_MS = 1_000_000


class RedisLedger:
    """Answers `stores.base.Ledger`. The client is opened and closed by whoever made it."""

    closed: frozenset[int] = frozenset()
    """Shards that lost what they had: nothing new is reserved there, what runs goes on."""

    def __init__(self, client: RedisClient, *, used_up_kept: int = USED_UP_KEPT) -> None:
        self._client = client
        self._used_up_kept = used_up_kept
        self._offset_ms = 0
        self._heard_ms = [0] * SHARDS

    async def open(self) -> None:
        """Learn the server's clock; `now_ms` is meaningless before."""
        self._set_clock(await self._client.command("TIME", decode=_time_ms))

    def now_ms(self) -> int:
        return self._offset_ms + time.monotonic_ns() // NS_PER_MS

    def heard_ms(self, account_id: str) -> int:
        return self._heard_ms[shard_of(account_id)]

    def _set_clock(self, server_ms: int) -> None:
        self._offset_ms = server_ms - time.monotonic_ns() // NS_PER_MS

    def _answer(self, reply: Any) -> Any:  # noqa: ANN401 - see decode.ANSWERS
        reply = decode.numbered(reply)
        self._set_clock(reply[1])
        return decode.ANSWERS[reply[0]](reply)

    def reserve(
        self, ask: Reserve
    ) -> asyncio.Future[Reserved | Refused | AlreadyEnded | ClockSkewed]:
        if self.closed and shard_of(ask.account_id) in self.closed:
            return _behind()
        return self._client.operate(encode_holds.reserve(ask), self._answer)

    def extend(
        self, ask: Extend
    ) -> asyncio.Future[Extended | Refused | AlreadyEnded | UnknownHold]:
        return self._client.operate(encode_holds.extend(ask), self._answer)

    def settle(self, ask: Settle) -> asyncio.Future[Settled | AlreadyEnded]:
        return self._client.operate(encode_holds.settle(ask), self._answer)

    def release(self, ask: Release) -> asyncio.Future[Released | AlreadyEnded]:
        return self._client.operate(encode_holds.release(ask), self._answer)

    def keep(self, ask: Keep) -> asyncio.Future[Kept | AlreadyEnded]:
        return self._client.run(lua.KEEP, encode_holds.keep(ask), self._answer)

    async def hold(self, account_id: str, hold_id: str) -> HoldState | UnknownHold:
        asked = encode_holds.hold(shard_tag(account_id), hold_id)
        return await self._client.run(lua.HOLD, asked, decode.hold_state)

    async def grant(self, grant: Grant) -> Granted:
        request = encode.grant(grant, used_up_kept=self._used_up_kept)
        answer: Granted = await self._client.run(lua.GRANT, request, self._answer)
        return answer

    async def void_grant(self, ask: VoidGrant) -> Voided:
        answer: Voided = await self._client.run(lua.VOID, encode.void_grant(ask), self._answer)
        return answer

    async def look(self, ask: Look) -> None:
        await self._client.run(lua.LOOK, encode.look(ask), self._answer)

    async def correct(self, ask: Correct) -> Corrected:
        request = encode.correct(ask)
        answer: Corrected = await self._client.run(lua.CORRECT, request, self._answer)
        return answer

    async def balance(self, account_id: str) -> Balance:
        def decoded(reply: decode.Reply) -> Balance:
            self._set_clock(reply[0])
            return decode.balance(account_id, reply)

        request = encode.balance(account_id, used_up_kept=self._used_up_kept)
        return await self._client.run(lua.BALANCE, request, decoded)

    async def recount(self, account_id: str) -> None:
        request = encode.balance(account_id, used_up_kept=self._used_up_kept, anew=True)
        await self._client.run(lua.BALANCE, request, lambda reply: self._set_clock(reply[0]))

    async def expire_holds(self, *, batch: int = 100) -> int:
        """At most `batch` per shard and call; what is left is due the next time as well. Raises
        StoreUnavailable if a shard did not answer, once the others' are done."""
        asked_ms, now_ms = time.monotonic_ns() // NS_PER_MS, self.now_ms()
        due = await ask_shards(self._client, lua.DUE, due_key, now_ms, batch)
        expired, failure = 0, None
        for number, hold_ids in enumerate(due):
            if isinstance(hold_ids, BaseException):
                failure = hold_ids
                continue
            self._heard_ms[number] = asked_ms
            if hold_ids:
                names = [hold_id.decode() for hold_id in hold_ids]
                expired += await self._expire(shard(number), names)
        if failure is not None:
            raise failure
        return expired

    async def _expire(self, tag: str, hold_ids: Sequence[str]) -> int:
        """Read what each hold touches, then end it; the script checks that it is still so."""
        stored = await asyncio.gather(
            *(self._client.run(lua.HOLD, encode_holds.hold(tag, each), list) for each in hold_ids)
        )
        holds = map(decode.stored_hold, hold_ids, stored)
        replies = await asyncio.gather(
            *(
                self._client.run(lua.EXPIRE, encode_holds.expire(hold), _expired)
                for hold in holds
                if hold is not None
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


def _behind() -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(
        StoreBehind(
            "The ledger went back in time and has to be brought up to date for this account. "
            "Try again shortly.",
            retry_after_s=1,
        )
    )
    return future


def _expired(reply: list[Any]) -> bool:
    return bool(reply[0] == b"expired")
