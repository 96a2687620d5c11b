"""What a call used by the piece, and numbers nobody knows, survive every way it may end."""

from dataclasses import replace
from typing import Any

from support import asks
from support.redis_server import KINDS

from gateway.metering.ledger import Grant
from gateway.stores.redis.ledger import RedisLedger

STORE_FORMS = (*KINDS, "cluster")


async def fund(ledger: RedisLedger) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=1000))


def using(ask: Any, *pieces: tuple[str, int], **unmapped: float) -> Any:
    """The same ask with what is sold by the piece, and numbers nobody knows."""
    usage = replace(ask.event.usage, pieces=pieces)
    return replace(ask, event=replace(ask.event, usage=usage, unmapped=unmapped))


async def test_pieces_are_added_up_by_kind_and_never_twice(ledger: RedisLedger) -> None:
    await fund(ledger)
    await ledger.reserve(asks.reserve(ledger, "r1", 50))
    await ledger.settle(using(asks.settle("r1", 40), ("image.hd", 1), ("image.low", 2)))
    await ledger.reserve(asks.reserve(ledger, "r2", 50))
    checkpoint = asks.extend("r2", 1, 0, charge_ucr=10, lease_ms=0)
    await ledger.extend(using(checkpoint, ("image.low", 4), ("web_search", 1)))
    await ledger.expire_holds()

    async def pieces() -> object:
        (usage,) = await ledger.usage_by_day(
            asks.ACCOUNT, first_day_ms=asks.STARTED_MS, last_day_ms=asks.STARTED_MS
        )
        return usage.pieces

    assert (("image", 7), ("web_search", 1)) == await pieces()
    await ledger.settle(using(asks.settle("r2", 25), ("image.low", 6), ("web_search", 1)))
    assert (("image", 9), ("web_search", 1)) == await pieces()


async def test_what_no_table_names_stays_in_the_event(ledger: RedisLedger) -> None:
    await fund(ledger)
    await ledger.reserve(asks.reserve(ledger, "r1", 50))
    await ledger.settle(using(asks.settle("r1", 40), ("web_search", 3), **{"details.new": 1.5}))
    await ledger.reserve(asks.reserve(ledger, "r2", 50))
    await ledger.extend(using(asks.extend("r2", 1, 0, charge_ucr=10, lease_ms=0), more=7))
    await ledger.expire_holds()

    settled, expired = (await ledger.events(asks.ACCOUNT))[1:]

    assert {"details.new": 1.5} == settled.event["unmapped"]
    assert [["web_search", 3]] == settled.event["usage"]["pieces"]
    assert {"more": 7} == expired.event["unmapped"]
