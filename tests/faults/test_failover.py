"""The store's replica takes over while it is behind: what it never had is charged all the same."""

from pathlib import Path

from bank.relay import Line
from bank.world import DURABLE, Store
from support.gateways import INPUT_UCR, OUTPUT_UCR, running_gateway
from support.running_stream import stream_of

from gateway.metering.journal import MOVEMENTS

TOKENS = 80


async def test_a_hold_that_the_replica_never_had_is_settled_late_and_once(tmp_path: Path) -> None:
    store = Store(DURABLE)
    await store.start()
    line = Line(tmp_path / "store.sock", store.primary.socket_path)
    await line.start()
    try:
        async with running_gateway(tmp_path, f"unix://{line.here}") as tk:
            await store.caught_up()
            store.replication.hang()
            stream = await stream_of(tk, TOKENS, delay_ms=20)
            assert 1 == (await tk.balance()).live_holds
            line.cut()
            store.change_parts()
            line.redirect(store.primary.socket_path)
            line.heal()
            assert b"[DONE]" in await stream
            await tk.settled(charged=bool)
            balance = await tk.assert_books_balance()
            [event] = await tk.events()
            assert TOKENS == event["usage"]["output_text"]
            prompt = event["usage"]["input_uncached"]
            assert prompt * INPUT_UCR + TOKENS * OUTPUT_UCR == balance.charged_ucr
            moved = await tk.ledger.events(tk.account)
            kinds = [entry.kind for entry in moved if entry.kind in MOVEMENTS]
            assert ["funded", "late"] == kinds
    finally:
        await line.stop()
        await store.stop()
