"""What a call made is freed at its end by counting references: nothing waits for a collection.

Cyclic garbage is rarely looked for in a worker, so each call that left some would be memory that
grows for an hour before it is found.
"""

from pathlib import Path

from support.garbage import left_by
from support.gateways import MODEL, running_gateway
from support.raw_server import Peer, RawServer

OURS = ("gateway.proxy", "gateway.metering", "gateway.dialects", "httptools")


async def test_a_call_leaves_nothing_for_the_garbage_collector(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:

        async def call(*, stream: bool = False, simulate: str = "tokens=5") -> None:
            async with tk.chat(stream=stream, simulate=simulate) as answer:
                await answer.read()

        async def one_of_each() -> None:
            await call()
            await call(stream=True)
            await call(simulate="status=500")
            await tk.settled()

        assert [] == await left_by(one_of_each, of=OURS)


async def test_nor_does_one_that_was_sent_twice(tmp_path: Path, store_url: str) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with RawServer(silent) as server:
        first = f'  first: {{base_url: "{server.url}", auth: none}}\n'
        route = (
            f'  - {{match: "{MODEL}", providers: [{{name: first}}, {{name: simulated, priority: 2}}'
            "], hedge: {after_ms: 1, budget_percent: 100}}\n"
        )
        async with running_gateway(tmp_path, store_url, providers=first, routes=route) as tk:

            async def hedged() -> None:
                async with tk.chat(stream=True, simulate="tokens=5") as answer:
                    assert 200 == answer.status
                    await answer.read()
                await tk.settled()

            assert [] == await left_by(hedged, of=OURS)
            assert 6 == await tk.metric(r'tollkeeper_hedges_total\{hedge="won",.*\}')
