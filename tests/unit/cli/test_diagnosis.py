"""Each judgement of the doctor, on facts made up: what is a fault, a warning, or unknown."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.diagnosis import of_flow, of_host, of_store
from gateway.cli.diagnosis.finding import Result
from gateway.cli.diagnosis.of_configuration import store_away
from gateway.cli.diagnosis.of_flow import FlowFacts, SinkFacts
from gateway.cli.diagnosis.of_host import GIB, HostFacts
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.metering.plans import Away, Plan
from gateway.stores.redis.address import Form
from gateway.stores.redis.inspection import ServerFacts, StoreFacts

WELL = {
    "redis_version": "7.0.15",
    "aof_enabled": "1",
    "rdb_last_bgsave_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
    "maxmemory_policy": "noeviction",
    "maxmemory": "0",
    "total_system_memory": "1000000000",
    "used_memory": "1000000",
    "connected_slaves": "0",
}
SERVER = ServerFacts(
    place="store:6379",
    info=WELL,
    settings={"appendfsync": "everysec", "save": ""},
    cluster=None,
    ahead_ms=0.2,
    round_trip_ms=0.5,
)
HOST = HostFacts(
    cores=4,
    workers=4,
    open_files=65_536,
    connections=1_000,
    data_dir=Path("/var/lib/tollkeeper"),
    filesystem="ext4",
    free_bytes=50 * GIB,
    spool_bytes=0,
    secret_modes={Path("/run/secrets/pepper"): 0o640},
)
SINK = SinkFacts(name="lago", waiting=0, lag_s=0, dead=0, state="running")
FLOW = FlowFacts(history_lag_s=0, history_trouble="", sinks=[SINK])


def of_server(server: ServerFacts) -> dict[str, Result]:
    facts = StoreFacts(form=Form.SINGLE, servers=[server])
    return {finding.check: finding.result for finding in of_store.of_store(facts)}


def test_where_all_is_well_nothing_is_found() -> None:
    findings = [
        *of_store.of_store(StoreFacts(form=Form.SINGLE, servers=[SERVER])),
        *of_host.of_host(HOST),
        *of_flow.of_flow(FLOW),
    ]

    assert {Result.OK} == {finding.result for finding in findings}
    assert {""} == {finding.todo for finding in findings}


@pytest.mark.parametrize(
    ("said", "check", "result"),
    [
        ({"redis_version": "6.0.16"}, "store version", Result.FAULT),
        ({"redis_version": ""}, "store version", Result.UNKNOWN),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, "store version", Result.OK),
        ({"aof_enabled": "0"}, "store persistence", Result.FAULT),
        ({"rdb_last_bgsave_status": "err"}, "store disk", Result.FAULT),
        ({"aof_last_write_status": "err"}, "store disk", Result.FAULT),
        ({"maxmemory_policy": "allkeys-lru"}, "store eviction", Result.FAULT),
        ({"maxmemory_policy": "volatile-ttl"}, "store eviction", Result.WARNING),
        ({"maxmemory": "1200000"}, "store memory", Result.WARNING),
        (
            {
                "connected_slaves": "1",
                "master_repl_offset": "99000000",
                "slave0": "ip=10.0.0.2,port=6379,state=online,offset=1000,lag=1",
            },
            "store replicas",
            Result.WARNING,
        ),
    ],
)
def test_what_a_server_says_of_itself_is_judged(said, check, result) -> None:
    assert result is of_server(replace(SERVER, info=WELL | said))[check]


@pytest.mark.parametrize(
    ("appendfsync", "result"),
    [("always", Result.OK), ("everysec", Result.OK), ("no", Result.FAULT)],
)
def test_how_often_the_log_is_synced_is_judged(appendfsync, result) -> None:
    server = replace(SERVER, settings={"appendfsync": appendfsync})

    assert result is of_server(server)["store fsync"]


def test_a_server_that_answers_nothing_of_the_kind_leaves_it_unknown() -> None:
    results = of_server(replace(SERVER, info=None, settings=None, ahead_ms=None))

    assert results.pop("store") is Result.OK
    assert {Result.UNKNOWN} == set(results.values())


@pytest.mark.parametrize(
    ("ahead_ms", "round_trip_ms", "result"),
    [
        (900, 1, Result.OK),
        (-5_000, 1, Result.WARNING),
        (5_000, 20_000, Result.OK),
        (-90_000, 1, Result.FAULT),
    ],
)
def test_a_clock_is_off_by_more_than_the_asking_took(ahead_ms, round_trip_ms, result) -> None:
    server = replace(SERVER, ahead_ms=ahead_ms, round_trip_ms=round_trip_ms)

    assert result is of_server(server)["clock"]


@pytest.mark.parametrize(
    ("slow_ms", "result"), [(1, Result.OK), (20, Result.WARNING), (300, Result.FAULT)]
)
def test_latency_is_judged_by_the_slowest_hundredth(slow_ms, result) -> None:
    finding = of_store.latency("latency", [0.1] * 98 + [slow_ms] * 2)

    assert result is finding.result
    assert f"p50 0.10 ms, p99 {slow_ms:.2f} ms of 100" == finding.found


def test_a_cluster_is_judged_by_every_master_by_name() -> None:
    servers = [
        replace(
            SERVER, place="one:1", cluster={"cluster_state": "ok", "cluster_slots_ok": "16384"}
        ),
        replace(
            SERVER,
            place="two:2",
            info=WELL | {"aof_enabled": "0"},
            cluster={"cluster_state": "fail", "cluster_slots_ok": "9000"},
        ),
    ]
    found = {
        each.check: each
        for each in of_store.of_store(StoreFacts(form=Form.CLUSTER, servers=servers))
    }

    assert Result.OK is found["store persistence (one:1)"].result
    assert Result.FAULT is found["store persistence (two:2)"].result
    assert "not all slots are served (9000 of 16384)" == found["cluster"].found


@pytest.mark.parametrize(
    ("named", "quorum", "result"),
    [
        (3, True, Result.OK),
        (2, True, Result.WARNING),
        (3, False, Result.FAULT),
        (3, None, Result.UNKNOWN),
    ],
)
def test_sentinels_are_judged_by_their_quorum(named, quorum, result) -> None:
    facts = StoreFacts(form=Form.SENTINEL, servers=[SERVER], sentinels=named, quorum=quorum)

    assert result is of_store.sentinels(facts).result


@pytest.mark.parametrize(
    ("there", "check", "result"),
    [
        ({"workers": 8}, "workers", Result.WARNING),
        ({"workers": 1}, "workers", Result.WARNING),
        ({"open_files": 1_024}, "open files", Result.FAULT),
        ({"open_files": 2_048}, "open files", Result.WARNING),
        ({"filesystem": "nfs4"}, "data directory", Result.FAULT),
        ({"filesystem": "tmpfs"}, "data directory", Result.FAULT),
        ({"filesystem": ""}, "data directory", Result.UNKNOWN),
        ({"free_bytes": GIB // 2}, "disk space", Result.WARNING),
        ({"free_bytes": 1_000}, "disk space", Result.FAULT),
        ({"spool_bytes": 700}, "spool", Result.WARNING),
        ({"spool_bytes": None}, "spool", Result.UNKNOWN),
        ({"secret_modes": {Path("/etc/pepper"): 0o644}}, "secret files", Result.FAULT),
    ],
)
def test_a_machine_is_judged(there, check, result) -> None:
    found = {each.check: each for each in of_host.of_host(replace(HOST, **there))}

    assert result is found[check].result
    assert found[check].todo or result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("lag_s", "result"),
    [(5, Result.OK), (90, Result.WARNING), (9_000, Result.FAULT), (None, Result.UNKNOWN)],
)
def test_a_history_is_judged_by_how_far_it_is_behind(lag_s, result) -> None:
    assert result is of_flow.history(replace(FLOW, history_lag_s=lag_s)).result


@pytest.mark.parametrize(
    ("stands", "result"),
    [
        ({"lag_s": 400}, Result.WARNING),
        ({"lag_s": 50_000}, Result.FAULT),
        ({"dead": 1}, Result.FAULT),
        ({"state": "paused"}, Result.WARNING),
    ],
)
def test_a_sink_is_judged(stands, result) -> None:
    assert result is of_flow.of_sink(replace(SINK, **stands)).result


def test_an_advance_that_a_budget_makes_useless_is_a_warning() -> None:
    away = Away(advance_ucr=1_500_000, usable_ms=60_000)
    of_key = Limit(unit=Unit.MICROCREDITS, ceiling=1, window=Window.WEEK, scope=Scope.KEY)
    served = Plan(name="served", away=away)
    idle = Plan(name="idle", away=away, limits=(of_key,))
    refused = Plan(name="refused", limits=(of_key,))

    assert Result.OK is store_away({"refused": refused}).result
    told = store_away({"served": served, "refused": refused})
    assert Result.OK is told.result
    assert "served: 1.500000 credits" in told.found
    warned = store_away({"served": served, "idle": idle})
    assert Result.WARNING is warned.result
    assert "idle" in warned.found
