"""One server's connection, kept up until it is closed.

Knows connecting, credentials, loading scripts and when to try again; where the server is, it asks
anew each time (`find`), since a master may have moved. Calls made while it is away fail at once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum

from gateway.errors import GatewayError
from gateway.stores.redis.address import Address
from gateway.stores.redis.lua import SCRIPTS
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Call, Elsewhere, Part, Wire, nowhere
from gateway.tasks import TaskSet

CONNECT_S = 2.0
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0
# A server that has become a replica is left, but not more often than this.
LEAVE_S = 1.0


class State(StrEnum):
    """STALLED: connected, but the oldest call has waited longer than the time-out. PARTLY: some of
    a cluster's masters are connected, not all."""

    CONNECTED = "connected"
    PARTLY = "partly"
    STALLED = "stalled"
    LOST = "lost"


async def connected(
    address: Address,
    *,
    lost: Callable[[Wire], None],
    elsewhere: Elsewhere = nowhere,
    greeting: tuple[tuple[Part, ...], ...] = (),
) -> Wire:
    """A connection with credentials given and `greeting` said, patient until told otherwise.
    Raises StoreUnavailable."""
    wire = Wire(timeout_s=CONNECT_S, lost=lambda: lost(wire), elsewhere=elsewhere)
    try:
        async with asyncio.timeout(CONNECT_S):
            await address.connect(wire)
            said = (*_credentials(address), *greeting)
            await asyncio.gather(*(wire.command(parts, _as_is) for parts in said))
    except OSError as error:
        wire.abort()
        raise unavailable("nobody answers at its address") from error
    except BaseException:
        wire.abort()
        raise
    if not wire.connected:
        raise unavailable("the connection broke while it was being set up")
    return wire


def _credentials(address: Address) -> list[tuple[Part, ...]]:
    said: list[tuple[Part, ...]] = []
    if address.password:
        user = (address.username,) if address.username else ()
        said.append(("AUTH", *user, address.password))
    if address.db:
        said.append(("SELECT", address.db))
    return said


class Node:
    """`find` says where the server is; `timeout_s` bounds every call."""

    def __init__(
        self,
        find: Callable[[], Awaitable[Address]],
        *,
        tasks: TaskSet,
        timeout_s: float,
        elsewhere: Elsewhere = nowhere,
        masters_only: bool = False,
        up: Callable[[], None],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._find = find
        self._tasks = tasks
        self._timeout_s = timeout_s
        self._elsewhere = elsewhere
        self._masters_only = masters_only
        self._told_up = up
        self._lost = lost
        self._connecting = False
        self.closed = False
        self._up = asyncio.Event()
        self._since_s = 0.0
        self.wire: Wire | None = None
        self.address: Address | None = None
        """Where it was found last."""

    @property
    def state(self) -> State:
        if self.wire is None:
            return State.LOST
        return State.STALLED if self.wire.stalled else State.CONNECTED

    async def open(self) -> None:
        """Connect and load the scripts. Raises StoreUnavailable, and then nothing is running."""
        self._have(await self._connect())

    async def ready(self) -> None:
        """Returns once it is connected; whoever asks decides how long that may take."""
        self.start()
        await self._up.wait()

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        if self.wire is None and not self._connecting and not self.closed:
            self._connecting = True
            self._tasks.start(self._reconnect(), name="reconnect to the store")

    def leave(self) -> None:
        """This connection leads to the wrong server: find the right one."""
        if self.wire is not None:
            self.wire.abort()

    def close(self) -> None:
        """Send what is queued and hang up, for good."""
        self.closed = True
        if self.wire is not None:
            self.wire.close()

    async def _connect(self) -> Wire:
        address = await self._find()
        loads = tuple(("SCRIPT", "LOAD", script.body) for script in SCRIPTS)
        wire = await connected(address, lost=self._on_lost, elsewhere=self._refused, greeting=loads)
        if self._masters_only:
            await self._check_master(wire)
        self.address = address
        wire.expect_answers_within(self._timeout_s)
        return wire

    async def _check_master(self, wire: Wire) -> None:
        try:
            is_master = await wire.command(("HELLO", 2), _is_master)
        except BaseException:
            wire.abort()
            raise
        if not is_master:
            wire.abort()
            raise unavailable("its master is changing")

    def _have(self, wire: Wire) -> None:
        if self.closed:
            wire.abort()
        self.wire = wire
        self._since_s = asyncio.get_running_loop().time()
        self._up.set()
        self._told_up()

    def _refused(self, call: Call, error: str) -> bool:
        if error.startswith("READONLY"):
            # It was a master when we came. Asking elsewhere is for whoever asked: it may have
            # written before it was demoted.
            if asyncio.get_running_loop().time() - self._since_s > LEAVE_S:
                self.leave()
            return False
        return self._elsewhere(call, error)

    def _on_lost(self, wire: Wire) -> None:
        # A connection that broke while it was being made is its maker's business.
        if wire is not self.wire:
            return
        self.wire = None
        self._up.clear()
        self._lost()
        self.start()

    async def _reconnect(self) -> None:
        pause_s = BACKOFF_FIRST_S
        while not self.closed:
            try:
                wire = await self._connect()
            except GatewayError:
                # Jitter keeps the workers of a machine from knocking in step.
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause_s = min(pause_s * 2, BACKOFF_MAX_S)
            else:
                self._connecting = False
                self._have(wire)
                return
        self._connecting = False


def _as_is(reply: object) -> object:
    return reply


def _is_master(reply: list[object]) -> bool:
    """Of HELLO's names and values in turn."""
    return reply[reply.index(b"role") + 1] == b"master"
