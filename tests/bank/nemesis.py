"""What goes wrong in the bank test: one fault after the other, each healed after a while.

A fault has a target (a gateway, a line, the store, the provider); while it lasts, nothing else
happens to the same target.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import attrgetter
from time import monotonic

from bank.history import KILLED, LOST, STOPPED, History, Trouble
from bank.provider import PROFILES, USUAL
from bank.relay import Line
from bank.world import GATEWAYS, World, sweep_after

Fault = Callable[["Nemesis", int, random.Random, float], Awaitable[None]]
Lines = Callable[[World], Sequence[Line]]
_store_lines, _provider_lines = attrgetter("store_lines"), attrgetter("provider_lines")
STARTS_MAX = 20
# How far behind a replica is at most that takes over unplanned; and how long before that nothing
# happens to those who remember what was confirmed, nor after it until they have asked for it again.
LAG_S = 0.4
CALM_S, REMEMBERED_S = 1.5, 3.0
# Each gateway's.
OWN = ("gateway", "store line")


class Nemesis:
    def __init__(
        self,
        world: World,
        history: History,
        *,
        seed: str,
        kinds: tuple[str, ...],
        every_s: tuple[float, float],
        lasts_s: tuple[float, float],
    ) -> None:
        self.world = world
        self.history = history
        self._random = random.Random(seed)
        self._kinds = kinds
        self._every_s = every_s
        self._lasts_s = lasts_s
        self._busy: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; then everything is healed before it returns."""
        draw = self._random
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            await asyncio.sleep(draw.uniform(*self._every_s))
            kind = draw.choice(self._kinds)
            number = draw.randrange(GATEWAYS)
            fault, target = FAULTS[kind]
            lasts_s, own = draw.uniform(*self._lasts_s), random.Random(draw.random())
            target = target.format(number)
            if target in self._busy:
                continue
            self._busy.add(target)
            task = loop.create_task(self._one(fault, number, own, lasts_s, target=target))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)

    async def spare(self) -> Sequence[str]:
        """Whatever could add to the loss of a store: once it is over, nothing happens to it."""
        spared = ["replication"]
        spared += [f"{what} {number}" for what in OWN for number in range(GATEWAYS)]
        for target in spared:
            while target in self._busy:
                await asyncio.sleep(0.05)
            self._busy.add(target)
        return spared

    def free(self, targets: Sequence[str]) -> None:
        self._busy.difference_update(targets)

    async def _one(
        self,
        fault: Fault,
        number: int,
        draw: random.Random,
        lasts_s: float,
        *,
        target: str,
    ) -> None:
        try:
            await fault(self, number, draw, lasts_s)
        finally:
            self._busy.discard(target)


async def _kill_gateway(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
    gateway = nemesis.world.gateways[number]
    assert gateway.process is not None
    trouble = nemesis.history.begin(KILLED, number)
    gateway.kill()
    await gateway.process.wait()
    sweep_after(gateway)
    await asyncio.sleep(lasts_s)
    await _start(nemesis.world, number)
    _end(trouble)


async def _restart_gateway(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
    gateway = nemesis.world.gateways[number]
    trouble = nemesis.history.begin("gateway restarted", number)
    code = await gateway.stop()
    if code != 0:
        nemesis.history.violations.append(f"gateway {number} ended with {code} after SIGTERM")
    await asyncio.sleep(lasts_s / 5)
    await _start(nemesis.world, number)
    _end(trouble)


async def _start(world: World, number: int) -> None:
    """As a service manager does: again and again, while the store is not there for example."""
    gateway = world.gateways[number]
    for _ in range(STARTS_MAX):
        try:
            await gateway.start()
        except AssertionError:
            await asyncio.sleep(0.5)
        except TimeoutError:
            gateway.kill()
        else:
            return
    raise AssertionError(f"gateway {number} does not start: {gateway.lines().text()[-2000:]}")


async def _stop_gateway(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
    process = nemesis.world.gateways[number].process
    assert process is not None
    trouble = nemesis.history.begin("gateway stopped", number)
    os.killpg(process.pid, signal.SIGSTOP)
    # Longer than a lease now and then.
    await asyncio.sleep(lasts_s * 2)
    os.killpg(process.pid, signal.SIGCONT)
    _end(trouble)


async def _kill_store(nemesis: Nemesis, _: int, __: random.Random, lasts_s: float) -> None:
    store = nemesis.world.store
    trouble = nemesis.history.begin("store killed")
    store.primary.kill()
    await asyncio.sleep(lasts_s / 2)
    await asyncio.to_thread(store.primary.start)
    _end(trouble)


async def _stop_store(nemesis: Nemesis, _: int, __: random.Random, lasts_s: float) -> None:
    trouble = nemesis.history.begin(STOPPED)
    nemesis.world.store.primary.signal(signal.SIGSTOP)
    await asyncio.sleep(lasts_s)
    nemesis.world.store.primary.signal(signal.SIGCONT)
    _end(trouble)


async def _fail_over(nemesis: Nemesis, _: int, __: random.Random, lasts_s: float) -> None:
    """A planned one: nobody writes while the replica catches up, then the primary dies."""
    world = nemesis.world
    trouble = nemesis.history.begin("failover")
    for line in world.store_lines:
        line.cut()
    await world.store.caught_up()
    world.store.change_parts()
    for line in world.store_lines:
        line.redirect(world.store.primary.socket_path)
        line.heal()
    _end(trouble)
    await asyncio.sleep(lasts_s / 2)
    await world.store.restart_replica()


async def _lose_primary(nemesis: Nemesis, _: int, draw: random.Random, lasts_s: float) -> None:
    """An unplanned one: the primary dies while everybody writes, and the replica knows less. A
    gateway that died at the same time would take along what it alone remembers."""
    spared = await nemesis.spare()
    store = nemesis.world.store
    if await store.follows():
        usual_s, store.replication.delay_s = store.replication.delay_s, draw.uniform(0.1, LAG_S)
        await asyncio.sleep(CALM_S)
        trouble = nemesis.history.begin(LOST)
        store.change_parts()
        for line in nemesis.world.store_lines:
            line.redirect(store.primary.socket_path)
        nemesis.history.last = {}
        store.replication.delay_s = usual_s
        # Whoever connects anew asks once more for what was confirmed.
        await asyncio.sleep(REMEMBERED_S)
        _end(trouble)
        await store.restart_replica()
    nemesis.free(spared)
    await asyncio.sleep(lasts_s / 2)


def _cut(what: str, lines: Lines) -> Fault:
    async def cut(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
        trouble = nemesis.history.begin(f"{what} cut", number)
        line = lines(nemesis.world)[number]
        line.cut()
        await asyncio.sleep(lasts_s)
        line.heal()
        _end(trouble)

    return cut


def _slow(what: str, lines: Lines, *, most_s: float) -> Fault:
    async def slow(nemesis: Nemesis, number: int, draw: random.Random, lasts_s: float) -> None:
        trouble = nemesis.history.begin(f"{what} slow", number)
        line = lines(nemesis.world)[number]
        line.delay_s = draw.uniform(0.05, most_s)
        await asyncio.sleep(lasts_s)
        line.heal()
        _end(trouble)

    return slow


async def _hang_store_line(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
    trouble = nemesis.history.begin("store line hangs", number)
    nemesis.world.store_lines[number].hang()
    await asyncio.sleep(lasts_s)
    nemesis.world.store_lines[number].heal()
    _end(trouble)


async def _lose_answer(nemesis: Nemesis, number: int, _: random.Random, lasts_s: float) -> None:
    trouble = nemesis.history.begin("answer lost", number)
    for _ in range(5):
        nemesis.world.store_lines[number].lose_answer()
        await asyncio.sleep(lasts_s / 5)
    nemesis.world.store_lines[number].heal()
    _end(trouble)


async def _lag_replica(nemesis: Nemesis, _: int, draw: random.Random, lasts_s: float) -> None:
    line, trouble = nemesis.world.store.replication, nemesis.history.begin("replica lags")
    usual_s, line.delay_s = line.delay_s, draw.uniform(0.2, 1.0)
    await asyncio.sleep(lasts_s)
    line.delay_s = usual_s
    _end(trouble)


async def _change_profile(nemesis: Nemesis, _: int, draw: random.Random, lasts_s: float) -> None:
    profile = draw.choice(PROFILES)
    trouble = nemesis.history.begin(f"provider: {profile.name}")
    nemesis.world.provider.profile = profile
    await asyncio.sleep(lasts_s)
    nemesis.world.provider.profile = USUAL
    _end(trouble)


async def _shift_clock(nemesis: Nemesis, _: int, draw: random.Random, lasts_s: float) -> None:
    shift = draw.choice(("+3600", "-3600", "+7", "-7"))
    trouble = nemesis.history.begin(f"clock {shift}", GATEWAYS - 1)
    nemesis.world.clock.write_text(f"{shift}\n")
    await asyncio.sleep(max(lasts_s, 2.0))
    nemesis.world.clock.write_text("+0\n")
    _end(trouble)


def _end(trouble: Trouble) -> None:
    trouble.ended_s = monotonic()


# What may happen, and what must be spared anything else meanwhile.
FAULTS: Mapping[str, tuple[Fault, str]] = {
    "kill gateway": (_kill_gateway, "gateway {}"),
    "stop gateway": (_stop_gateway, "gateway {}"),
    "restart gateway": (_restart_gateway, "gateway {}"),
    "kill store": (_kill_store, "store"),
    "stop store": (_stop_store, "store"),
    "fail over": (_fail_over, "store"),
    "lose primary": (_lose_primary, "store"),
    "cut store line": (_cut("store line", _store_lines), "store line {}"),
    "hang store line": (_hang_store_line, "store line {}"),
    "slow store line": (_slow("store line", _store_lines, most_s=0.6), "store line {}"),
    "lose answer": (_lose_answer, "store line {}"),
    "lag replica": (_lag_replica, "replication"),
    "cut provider": (_cut("provider line", _provider_lines), "provider line {}"),
    "slow provider": (_slow("provider line", _provider_lines, most_s=0.5), "provider line {}"),
    "change profile": (_change_profile, "provider"),
    "shift clock": (_shift_clock, "clock"),
}
