"""How deliveries to sinks go, on Redis or Valkey: a hash for each sink, of all processes."""

from gateway.metering.notices import OPERATOR, NoticeKind
from gateway.stores.delivering import News, Standing, Switches
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import sink_key
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.notes import notice
from gateway.stores.redis.swapping import swap
from gateway.stores.redis.wire import Command

# Outcomes that are counted, and as what.
COUNTED = {
    "delivered": "delivered",
    "duplicate": "duplicates",
    "retry": "retried",
    "poison": "refused",
}
FIELDS = (*COUNTED.values(), "last_delivered_ms", "last_error_ms", "failing_since_ms")


class RedisStandings:
    """Answers `stores.delivering.Standings`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def note(self, sink: str, news: News) -> None:
        key, now_ms = sink_key(sink), self._ledger.now_ms()
        for outcome, count in news.outcomes.items():
            if outcome in COUNTED:
                await self._client.command("HINCRBY", key, COUNTED[outcome], count)
        taken = news.outcomes.get("delivered", 0) + news.outcomes.get("duplicate", 0)
        if taken:
            await self._client.command("HSET", key, "last_delivered_ms", now_ms)
        if news.error:
            await self._client.command(
                *("HSET", key, "last_error", news.error, "last_error_ms", now_ms)
            )
        if news.disabled:
            await self._client.command("HSET", key, "disabled", 1)
        if news.failing:
            if await self._client.command("HSETNX", key, "failing_since_ms", now_ms):
                await self._tell(NoticeKind.SINK_FAILING, sink, news.error)
        elif taken or news.failing is False:
            await self._client.command("HDEL", key, "disabled")
            if await self._client.command("HDEL", key, "failing_since_ms"):
                await self._tell(NoticeKind.SINK_BACK, sink, "")

    async def _tell(self, kind: NoticeKind, sink: str, reason: str) -> None:
        facts = {"reason": reason} if reason else {}
        await self._client.command(*notice(kind, account_id=OPERATOR, subject=sink, facts=facts))

    async def of(self, sink: str) -> Standing:
        found = await self._client.command(
            *("HMGET", sink_key(sink), *FIELDS, "last_error", "disabled", "paused", "resumed_ms")
        )
        *numbers, error, disabled, paused, resumed_ms = found
        return Standing(
            **{name: int(value or 0) for name, value in zip(FIELDS, numbers, strict=True)},
            last_error=(error or b"").decode("utf-8", "replace"),
            switches=Switches(
                disabled=disabled is not None,
                paused=paused is not None,
                resumed_ms=int(resumed_ms or 0),
            ),
        )

    async def pause(self, sink: str, read: Switches) -> bool:
        return await self._swap(sink, read, ("HSET", sink_key(sink), "paused", 1))

    async def resume(self, sink: str, read: Switches) -> bool:
        return await self._swap(
            *(sink, read),
            ("HSET", sink_key(sink), "resumed_ms", self._ledger.now_ms()),
            ("HDEL", sink_key(sink), "paused", "disabled"),
        )

    async def _swap(self, sink: str, read: Switches, *commands: Command) -> bool:
        stored = {
            "disabled": int(read.disabled),
            "paused": int(read.paused),
            "resumed_ms": read.resumed_ms,
        }
        fields = [part for name, value in stored.items() for part in (name, value or "")]
        asked = swap(sink_key(sink), fields, *commands)
        return bool(await self._client.run(lua.SWAP, asked, int))
