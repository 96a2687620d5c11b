"""Redis in its other forms, for tests: a cluster of real nodes, a master behind real sentinels."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hiredis import Reader
from support.redis_server import KINDS, Server, free_port

# Everything here happens within a second or two on an idle machine.
PATIENCE_S = 30.0
# Without word from a master for so long, its replica takes over.
DEAD_AFTER_MS = 800


def until(true: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"never came true: {why}"
        time.sleep(0.01)  # Servers tell nobody that they have agreed.


class Node(Server):
    """A server that others can reach: on TCP as well."""

    def __init__(self, kind: str, *options: str) -> None:
        self.port = free_port()
        super().__init__(kind, "--port", str(self.port), *options)

    def answer(self, *words: str) -> object:
        """One command; its reply, read."""
        return answered(self.port, *words)

    @property
    def role(self) -> bytes:
        try:
            return bytes(self._told()[0])
        except ConnectionError:
            # A server whose part changes hangs up on everybody.
            return b""

    def _told(self) -> list[Any]:
        reply = self.answer("ROLE")
        assert isinstance(reply, list)
        return reply

    def replicated_to(self, replica: "Node") -> None:
        """Return when the replica has all that was written here until now."""
        offset = int(self._told()[1])
        until(lambda: int(replica._told()[4]) >= offset, "the replica has it all")


def answered(port: int, *words: str) -> object:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        connection.sendall(f"*{len(words)}\r\n{parts}".encode())
        reader = Reader()
        while (reply := reader.gets()) is False:
            data = connection.recv(65_536)
            assert data, "the server hung up"
            reader.feed(data)
        if isinstance(reply, Exception):
            raise reply
        return reply


class RedisCluster:
    """Masters that share the slots, each with `replicas` that take over when it dies."""

    def __init__(self, kind: str, *options: str, masters: int = 3, replicas: int = 0) -> None:
        self.masters = [self._node(kind, *options) for _ in range(masters)]
        self.replicas = [self._node(kind, *options) for _ in range(masters * replicas)]

    def _node(self, kind: str, *options: str) -> Node:
        return Node(
            kind,
            *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
            *("--cluster-node-timeout", str(DEAD_AFTER_MS), "--repl-diskless-sync-delay", "0"),
            *("--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0"),
            *options,
        )

    @property
    def nodes(self) -> list[Node]:
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> "RedisCluster":
        for epoch, node in enumerate(self.nodes, start=1):
            node.start()
            node.answer("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
        share = -(-16_384 // len(self.masters))
        for number, node in enumerate(self.masters):
            last = min(16_383, (number + 1) * share - 1)
            node.answer("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last))
        self._introduce()
        for number, replica in enumerate(self.replicas):
            master = self.masters[number % len(self.masters)]
            replica.answer("CLUSTER", "REPLICATE", self.id_of(master))
        until(self._agreed, "every node knows every other and all slots")
        return self

    def _introduce(self) -> None:
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    bus = other.answer("CONFIG", "GET", "cluster-port")
                    assert isinstance(bus, list)
                    where = ("127.0.0.1", str(other.port), bus[1].decode())
                    node.answer("CLUSTER", "MEET", *where)
        ids = {self.id_of(node) for node in self.nodes}
        until(
            lambda: all(ids == set(_known(node)) for node in self.nodes),
            "every node was introduced",
        )

    def _agreed(self) -> bool:
        for node in self.nodes:
            reply = node.answer("CLUSTER", "SLOTS")
            assert isinstance(reply, list)
            if len(reply) < len(self.masters) or b"cluster_state:ok" not in _info(node):
                return False
            if self.replicas and any(len(owners) < 4 for owners in reply):
                return False
        return all(_linked(node) for node in self.replicas)

    @staticmethod
    def id_of(node: Node) -> str:
        reply = node.answer("CLUSTER", "MYID")
        assert isinstance(reply, bytes)
        return reply.decode()

    def ask(self, *words: str) -> bytes:
        """Of every master; the last one's raw reply."""
        return [node.ask(*words) for node in self.masters][-1]

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    # Resharding

    def slots_of(self, node: Node) -> list[int]:
        slots: list[int] = []
        reply = node.answer("CLUSTER", "SLOTS")
        assert isinstance(reply, list)
        for first, last, owner, *_ in reply:
            if owner[1] == node.port:
                slots += range(first, last + 1)
        return slots

    def move(self, slot: int, source: Node, target: Node) -> None:
        """One slot with its keys, some at a time, as redis-cli does it."""
        target.answer("CLUSTER", "SETSLOT", str(slot), "IMPORTING", self.id_of(source))
        source.answer("CLUSTER", "SETSLOT", str(slot), "MIGRATING", self.id_of(target))
        at_once = 1
        while keys := source.answer("CLUSTER", "GETKEYSINSLOT", str(slot), str(at_once)):
            assert isinstance(keys, list)
            names = [key.decode() for key in keys]
            to = ("127.0.0.1", str(target.port), "", "0", "5000", "KEYS")
            source.answer("MIGRATE", *to, *names)
            at_once = min(2 * at_once, 100)
        for node in (target, source, *self.masters):
            node.answer("CLUSTER", "SETSLOT", str(slot), "NODE", self.id_of(target))


def _known(node: Node) -> Iterator[str]:
    reply = node.answer("CLUSTER", "NODES")
    assert isinstance(reply, bytes)
    for line in reply.decode().splitlines():
        if "handshake" not in line and "disconnected" not in line:
            yield line.split()[0]


def _info(node: Node) -> bytes:
    reply = node.answer("CLUSTER", "INFO")
    assert isinstance(reply, bytes)
    return reply


def _linked(replica: Node) -> bool:
    role, *told = replica.answer("ROLE")  # type: ignore[misc]  # a list, as the manual has it
    return role == b"slave" and told[2] == b"connected"


class Sentinel(Server):
    """Watches a master under the name `ours`."""

    def __init__(self, kind: str, master: Node, *, quorum: int) -> None:
        super().__init__(kind)
        self.port = free_port()
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nunixsocket {self.socket_path}\ndir {self.folder}\n"
            f"sentinel monitor ours 127.0.0.1 {master.port} {quorum}\n"
            f"sentinel down-after-milliseconds ours {DEAD_AFTER_MS}\n"
            "sentinel failover-timeout ours 3000\n"
        )
        self._command = [self._command[0], str(config), "--sentinel"]


class SentinelSetUp:
    """A master, its replicas, and sentinels that put one of these in its place."""

    def __init__(self, kind: str, *options: str, replicas: int = 0, sentinels: int = 1) -> None:
        self.master = Node(kind, *options)
        self.replicas = [
            Node(
                kind,
                *("--replicaof", "127.0.0.1", str(self.master.port), *options),
                *("--repl-diskless-sync-delay", "0"),
            )
            for _ in range(replicas)
        ]
        self.sentinels = [
            Sentinel(kind, self.master, quorum=sentinels // 2 + 1) for _ in range(sentinels)
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/ours"

    def start(self) -> "SentinelSetUp":
        for server in (self.master, *self.replicas, *self.sentinels):
            server.start()
        until(lambda: all(map(_linked, self.replicas)), "replicas follow")
        until(self._acquainted, "sentinels know each other and the replicas")
        return self

    def _acquainted(self) -> bool:
        for sentinel in self.sentinels:
            facts = answered(sentinel.port, "SENTINEL", "MASTER", "ours")
            assert isinstance(facts, list)
            known = dict(zip(facts[::2], facts[1::2], strict=True))
            others, replicas = int(known[b"num-other-sentinels"]), int(known[b"num-slaves"])
            if others < len(self.sentinels) - 1 or replicas < len(self.replicas):
                return False
        return True

    def ask(self, *words: str) -> bytes:
        return self.master.ask(*words)

    def stop(self) -> None:
        for server in (*self.sentinels, *self.replicas, self.master):
            server.stop()


class ManagedServer(Server):
    """As a provider of managed Redis lets one have it: no administrative command, and for us a user
    with the rights that docs/operations.md names (and KEYS, with which tests look around)."""

    def __init__(self, kind: str) -> None:
        denied = ("CONFIG", "FUNCTION", "DEBUG", "SHUTDOWN", "MONITOR")
        renamed = [word for name in denied for word in ("--rename-command", name, "")]
        super().__init__(kind, *renamed)

    @property
    def url(self) -> str:
        return f"unix://tollkeeper:PASSWORD@{self.socket_path}"

    def start(self) -> "ManagedServer":
        super().start()
        page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
        rule = next(line for line in page.splitlines() if line.startswith("ACL SETUSER"))
        assert self.ask(*rule.split(), "+keys") == b"+OK\r\n"
        return self


Store = Server | RedisCluster | SentinelSetUp

# Every form a store may have. Those of KINDS are for every test, all for those of the ledger.
FORMS: Mapping[str, Callable[[], Store]] = {
    **{kind: partial(Server, kind) for kind in KINDS},
    "managed": partial(ManagedServer, "redis"),
    "sentinel": partial(SentinelSetUp, "redis"),
    "cluster": partial(RedisCluster, "redis"),
}


class Servers:
    """Stores of every form, started when they are first asked for."""

    def __init__(self) -> None:
        self._running: dict[str, Store] = {}

    def emptied(self, form: str) -> Store:
        store = self._running.get(form)
        if store is None:
            store = self._running[form] = FORMS[form]().start()
        assert store.ask("FLUSHALL") == b"+OK\r\n"
        return store

    def stop(self) -> None:
        for store in self._running.values():
            store.stop()


@contextmanager
def running(store: "RedisCluster | SentinelSetUp") -> Iterator[None]:
    try:
        store.start()
        yield
    finally:
        store.stop()
