"""Judgements on the store's servers, from what they say of themselves. Asks nobody."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.cli.diagnosis.finding import Finding, fault, ok, unknown, warning
from gateway.stores.redis.address import Form
from gateway.stores.redis.inspection import ServerFacts, StoreFacts

# Scripts and stream commands that the ledger needs came with this.
VERSION_MIN = (6, 2)
# A host that is further off dates its log and its holds' deadlines wrongly to a reader.
AHEAD_WARNING_MS = 1_000
AHEAD_FAULT_MS = 60_000
# Of maxmemory: above this a burst of calls may fill the rest.
MEMORY_WARNING = 0.8
# A script's answer is part of every call; the default deadline of admission is 200 ms.
P99_WARNING_MS = 10
P99_FAULT_MS = 100
NO_INFO = "the server does not answer INFO"
MIB = 1024 * 1024
# Further behind than what a second of heavy traffic writes.
REPLICA_BEHIND_BYTES = 10 * MIB
# Two cannot agree that the third is gone.
SENTINELS_MIN = 3


def of_store(facts: StoreFacts) -> Iterator[Finding]:
    yield ok("store", f"reachable: {', '.join(server.place for server in facts.servers)}")
    for server in facts.servers:
        for finding in _of_server(server):
            where = f" ({server.place})" if len(facts.servers) > 1 else ""
            yield Finding(f"{finding.check}{where}", finding.result, finding.found, finding.todo)
    if facts.form is Form.CLUSTER:
        yield cluster_state(facts.servers)
    if facts.form is Form.SENTINEL:
        yield sentinels(facts)


def _of_server(server: ServerFacts) -> Iterator[Finding]:
    if server.info is None:
        names = ("store version", "store persistence", "store eviction", "store memory")
        yield from (unknown(name, NO_INFO, "Ask its provider.") for name in names)
    else:
        yield version(server.info)
        yield persistence(server.info)
        yield fsync(server.info, server.settings)
        yield last_writes(server.info)
        yield eviction(server.info)
        yield memory(server.info)
        yield replicas(server.info)
    yield clock(server)


def version(info: Mapping[str, str]) -> Finding:
    name = info.get("server_name", "redis")
    told = info.get("valkey_version") or info.get("redis_version", "")
    parts = tuple(int(part) for part in told.split(".")[:2] if part.isdigit())
    if len(parts) < len(VERSION_MIN):
        return unknown("store version", f"it says {told or 'nothing'}")
    if parts < VERSION_MIN:
        return fault("store version", f"{name} {told}", "Use Redis 6.2 or newer, or any Valkey.")
    return ok("store version", f"{name} {told}")


def persistence(info: Mapping[str, str]) -> Finding:
    if "aof_enabled" not in info:
        return unknown("store persistence", "INFO says nothing of it", "Ask its provider.")
    if info["aof_enabled"] != "1":
        return fault(
            "store persistence",
            "no append-only file: a restart loses every charge since the last snapshot",
            "Set `appendonly yes` and `appendfsync everysec`.",
        )
    return ok("store persistence", "append-only file")


def fsync(info: Mapping[str, str], settings: Mapping[str, str] | None) -> Finding:
    check = "store fsync"
    if settings is None or "appendfsync" not in settings:
        return unknown(
            check,
            "the server does not answer CONFIG",
            "Ask its provider: it should be `everysec` or `always`.",
        )
    told = settings["appendfsync"]
    if info.get("aof_enabled") != "1":
        return unknown(check, "there is no append-only file", "See store persistence.")
    if told == "no":
        return fault(
            check,
            "`appendfsync no`: a power cut may lose half a minute of charges",
            "Set `appendfsync everysec`, or `always`.",
        )
    return ok(check, f"`appendfsync {told}`")


def last_writes(info: Mapping[str, str]) -> Finding:
    names = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
    told = {name: info[name] for name in names if name in info}
    if not told:
        return unknown("store disk", "INFO says nothing of it")
    failed = [name for name, value in told.items() if value != "ok"]
    if failed:
        return fault(
            "store disk",
            f"the last write failed: {', '.join(failed)}",
            "See the server's log; most often its disk is full or not writable.",
        )
    return ok("store disk", "the last saves and rewrites succeeded")


def eviction(info: Mapping[str, str]) -> Finding:
    policy = info.get("maxmemory_policy")
    if policy is None:
        return unknown("store eviction", "INFO says nothing of it", "It must be `noeviction`.")
    if policy == "noeviction":
        return ok("store eviction", "`noeviction`")
    why = f"`maxmemory-policy {policy}`: when memory is full, balances are thrown away"
    todo = "Set `maxmemory-policy noeviction`."
    if policy.startswith("volatile"):
        return warning("store eviction", f"`maxmemory-policy {policy}`: sessions may go", todo)
    return fault("store eviction", why, todo)


def memory(info: Mapping[str, str]) -> Finding:
    if "used_memory" not in info:
        return unknown("store memory", "INFO says nothing of it")
    used, ceiling = int(info["used_memory"]), int(info.get("maxmemory", 0))
    if not ceiling:
        ceiling = int(info.get("total_system_memory", 0))
    if not ceiling:
        return unknown("store memory", f"it uses {used // MIB} MiB and names no ceiling")
    share = used / ceiling
    found = f"{used // MIB} of {ceiling // MIB} MiB used ({share:.0%})"
    if share > MEMORY_WARNING:
        return warning("store memory", found, "Give it more: a full store refuses every call.")
    return ok("store memory", found)


def replicas(info: Mapping[str, str]) -> Finding:
    count = int(info.get("connected_slaves", 0))
    if not count:
        return ok("store replicas", "none: its append-only file is the only copy")
    lags = [
        int(info.get("master_repl_offset", 0)) - int(field.removeprefix("offset="))
        for name, value in info.items()
        if name.startswith("slave") and name.removeprefix("slave").isdigit()
        for field in value.split(",")
        if field.startswith("offset=")
    ]
    behind = max(lags, default=0)
    if behind > REPLICA_BEHIND_BYTES:
        return warning(
            "store replicas",
            f"{count}, one of them {behind // MIB} MiB behind",
            "A failover now would lose that much: see its network and disk.",
        )
    return ok("store replicas", str(count))


def clock(server: ServerFacts) -> Finding:
    if server.ahead_ms is None:
        return unknown("clock", "the server does not answer TIME")
    error_ms = server.round_trip_ms / 2
    off_ms = max(0.0, abs(server.ahead_ms) - error_ms)
    found = f"the store's is {server.ahead_ms:+.0f} ms from this machine's (±{error_ms:.0f} ms)"
    todo = "Run NTP (chrony, systemd-timesyncd) on both machines."
    if off_ms > AHEAD_FAULT_MS:
        return fault("clock", found, todo)
    return warning("clock", found, todo) if off_ms > AHEAD_WARNING_MS else ok("clock", found)


def latency(check: str, taken_ms: Sequence[float]) -> Finding:
    """Of one question asked some dozens of times."""
    ordered = sorted(taken_ms)
    p50, p99 = ordered[len(ordered) // 2], ordered[int((len(ordered) - 1) * 0.99)]
    found = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(ordered)}"
    todo = "Every call waits for it: put the store nearer, or on a machine that is less busy."
    if p99 > P99_FAULT_MS:
        return fault(check, found, todo)
    return warning(check, found, todo) if p99 > P99_WARNING_MS else ok(check, found)


def cluster_state(servers: Sequence[ServerFacts]) -> Finding:
    told = [server.cluster for server in servers if server.cluster is not None]
    if not told:
        return unknown("cluster", "no node answers CLUSTER INFO")
    states = {each.get("cluster_state", "") for each in told}
    if states != {"ok"}:
        slots = min(int(each.get("cluster_slots_ok", 0)) for each in told)
        return fault(
            "cluster",
            f"not all slots are served ({slots} of 16384)",
            "Run `redis-cli --cluster check`, then `--cluster fix`.",
        )
    return ok("cluster", f"{len(servers)} masters serve all slots")


def sentinels(facts: StoreFacts) -> Finding:
    if facts.quorum is None:
        return unknown("sentinels", "none of them answers", "See whether they run.")
    if not facts.quorum:
        return fault(
            "sentinels",
            "too few to fail over: if the master dies, nobody takes its place",
            "Start the missing sentinels; run three or more.",
        )
    if facts.sentinels < SENTINELS_MIN:
        return warning(
            "sentinels", f"a quorum, but the URL names {facts.sentinels}", "Name three or more."
        )
    return ok("sentinels", f"a quorum; {facts.sentinels} are named")
