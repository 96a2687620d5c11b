"""A gateway whose model has several simulated providers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from support.gateways import MODEL, TestGateway, running_gateway

from gateway.simulator.provider import SimulatedProvider
from gateway.simulator.script import Script, read_script


@dataclass
class Routed:
    gateway: TestGateway
    providers: Mapping[str, SimulatedProvider]

    def set(self, name: str, script: str) -> None:
        """How this provider answers from now on; empty: as it should."""
        self.providers[name].script = read_script(script, defaults=Script())

    def asked(self, name: str) -> int:
        """How many calls this provider got."""
        return self.providers[name].journal.total

    async def call(self, **body: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of one call."""
        async with self.gateway.chat(**{"max_tokens": 5} | body) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def served(self) -> str:
        """The provider whose answer one call got; it was 200, and settled."""
        status, answer = await self.call()
        assert 200 == status, answer
        await self.gateway.settled()
        return str((await self.gateway.events())[-1]["provider"])


@asynccontextmanager
async def routed(
    folder: Path,
    store_url: str,
    upstreams: str,
    *,
    names: Sequence[str] = ("a", "b"),
    settings: Mapping[str, str] | None = None,
    match: str = MODEL,
    balance: str = "weights",
    failover: str = "",
    down: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[Routed]:
    """`upstreams`: the `providers` of the model's entry, and `failover` its own policy. `settings`:
    more of a provider's own; those of `down` are not reachable."""
    found = {name: SimulatedProvider() for name in names}
    ports = {name: await provider.start() for name, provider in found.items()}
    for name in down:
        await found[name].stop()
    lines = [
        f'  {name}: {{base_url: "http://127.0.0.1:{port}", credential: env:TEST_CREDENTIAL, '
        f"{(settings or {}).get(name, '')}}}\n"
        for name, port in ports.items()
    ]
    route = (
        f'  - {{match: "{match}", balance: {balance}, providers: [{upstreams}], '
        f"failover: {{{failover}}}}}\n"
    )
    try:
        async with running_gateway(
            folder, store_url, providers="".join(lines), routes=route, **options
        ) as gateway:
            yield Routed(gateway, found)
    finally:
        for provider in found.values():
            await provider.stop()
