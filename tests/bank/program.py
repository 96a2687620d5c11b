"""One run of the bank test: begin, let things go wrong, heal everything, look at the books."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp
from bank.checker import check_accounts, check_advances, check_calls
from bank.history import History
from bank.nemesis import FAULTS, Nemesis
from bank.people import Client, Granter, Member, Reader
from bank.provider import PROFILES, USUAL
from bank.world import AWAY, LEASE_S, ROLLING, STRICT, Build, World, running_world
from support.audit import audit_account
from support.gateways import scraped

from gateway.errors import GatewayError
from gateway.metering.balance import Balance
from gateway.stores.redis.ledger import RedisLedger

ACCOUNTS, CLIENTS = 8, 8
# A lease, a sweep, the longest pause before a spool is replayed, three more tries to repair what
# went back in time, and what a busy machine adds. What is lost for good is so after any time.
SETTLED_S = LEASE_S + 1.5 + 5.0 + 30.0 + 50.0
AUDITS = 5
# What waits on a disk, and the parts of a store that are closed until they are repaired.
OPEN = "tollkeeper_(?:spool_waiting_settles|shards_closed)"


@dataclass(frozen=True)
class Course:
    """How hard it goes: which faults, how often, how long; how often each client calls, and how
    the provider behaves. `callers`: who calls, "all"; only the accounts that have "little"; or only
    those whose calls go on while the store is "away"."""

    faults: tuple[str, ...] = tuple(FAULTS)
    every_s: tuple[float, float] = (1.0, 3.0)
    lasts_s: tuple[float, float] = (0.2, 5.0)
    pause_s: float = 0.5
    profile: str = USUAL.name
    callers: str = "all"


async def run(folder: Path, *, seed: int, seconds: float, build: Build, course: Course) -> History:
    history = History()
    async with running_world(folder, build) as world:
        [world.provider.profile] = [each for each in PROFILES if each.name == course.profile]
        members = [await _member(world, number) for number in range(ACCOUNTS)]
        granter = Granter(members, world, history, seed=f"granter {seed}")
        await granter.begin()
        reader = Reader(members, world, history)
        stop, stop_reading = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(reader.run(stop_reading))
            people = [
                group.create_task(who.run(stop))
                for who in (
                    granter,
                    *_clients(members, world, history, seed=seed, course=course),
                    *_nemesis(world, history, seed=seed, course=course),
                )
            ]
            await _pass(seconds, history)
            stop.set()
            await asyncio.gather(*people)
            await granter.finish()
            await _settled(world, members, history)
            stop_reading.set()
        if not history.violations:
            await _check(world, members, history)
        await _end(world, history)
    return history


def _clients(
    members: Sequence[Member], world: World, history: History, *, seed: int, course: Course
) -> list[Client]:
    """Half of them share an account, and call with that only."""
    only = {
        "all": (),
        "little": [member for member in members if member.tiny],
        "away": [members[number] for number, plan in PLANS_OF.items() if plan == AWAY],
    }[course.callers]
    return [
        Client(
            f"c{number}",
            only or (members[:1] if number % 2 else members[1:]),
            world,
            history,
            seed=f"client {number} {seed}",
            pause_s=course.pause_s,
        )
        for number in range(CLIENTS)
    ]


def _nemesis(world: World, history: History, *, seed: int, course: Course) -> list[Nemesis]:
    """One, if anything is to go wrong."""
    if not course.faults:
        return []
    return [
        Nemesis(
            world,
            history,
            seed=f"nemesis {seed}",
            kinds=course.faults,
            every_s=course.every_s,
            lasts_s=course.lasts_s,
        )
    ]


# The others' calls need the store.
PLANS_OF = {3: STRICT, 5: AWAY, 6: AWAY}


async def _member(world: World, number: int) -> Member:
    account = f"bank-{number}"
    key = await world.account(account, PLANS_OF.get(number, ROLLING))
    return Member(account, key, tiny=number in (2, 3, 4))


async def _pass(seconds: float, history: History) -> None:
    """Wait; no longer than until something is wrong already."""
    until_s = monotonic() + seconds
    while monotonic() < until_s and not history.violations:
        await asyncio.sleep(0.1)


async def _settled(world: World, members: Sequence[Member], history: History) -> None:
    """All is healed: wait until no hold is open and nothing waits on a disk."""
    found: Sequence[str] = ()
    try:
        async with asyncio.timeout(SETTLED_S), aiohttp.ClientSession() as http:
            while (found := await _open_ends(world, members, http)) and not history.violations:
                await asyncio.sleep(0.1)
    except TimeoutError:
        history.violations.append(f"open {SETTLED_S} s after all was healed: {found}")


async def _open_ends(
    world: World, members: Sequence[Member], http: aiohttp.ClientSession
) -> Sequence[str]:
    """What waits on a disk or is held, of whom."""
    found = []
    for number, gateway in enumerate(world.gateways):
        try:
            waiting = await scraped(http, gateway.admin_port, OPEN)
        except aiohttp.ClientError as wrong:
            waiting = repr(wrong)
        if waiting:
            found.append(f"gateway {number}: {waiting}")
    for member in members:
        try:
            live = (await world.stores.ledger.balance(member.account)).running_calls
        except GatewayError as wrong:
            live = repr(wrong)
        if live:
            found.append(f"{member.account}: {live}")
    return found


async def _audited(ledger: RedisLedger, account: str) -> Balance:
    """The audit looks several times; what is set aside in advance may be exchanged in between."""
    for _ in range(AUDITS - 1):
        with suppress(AssertionError):
            return await audit_account(ledger, account)
    return await audit_account(ledger, account)


async def _check(world: World, members: Sequence[Member], history: History) -> None:
    ledger = world.stores.ledger
    balances, entries = {}, {}
    for member in members:
        try:
            balances[member.account] = await _audited(ledger, member.account)
        except AssertionError as wrong:
            history.violations.append(f"{member.account}: the audit finds {wrong}")
            balances[member.account] = await ledger.balance(member.account)
        entries[member.account] = await ledger.events(member.account)
    history.violations += check_calls(history, world.provider.rows, entries)
    history.violations += check_accounts(history, balances, entries)
    away = {f"bank-{number}" for number, plan in PLANS_OF.items() if plan == AWAY}
    history.violations += check_advances(history, world.provider.rows, away)


async def _end(world: World, history: History) -> None:
    codes = await asyncio.gather(*(gateway.stop() for gateway in world.gateways))
    if any(codes) and not history.violations:
        history.violations.append(f"the gateways ended with {codes}")


def drawn_seed() -> int:
    return random.SystemRandom().randrange(10**6)
