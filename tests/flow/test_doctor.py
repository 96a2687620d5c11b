"""`tollkeeper doctor` against real servers, well and badly kept."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from support.gateways import SECRETS, running_gateway, write_config
from support.redis_server import KINDS, Server

from gateway.cli import main

PROVIDER = "http://127.0.0.1:9"


class Examined:
    def __init__(self, config: Path) -> None:
        command = ["doctor", "--json", "--config", str(config)]
        result = CliRunner().invoke(main, command, env=SECRETS)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        self.code = result.exit_code
        self.findings = {each["check"]: each for each in orjson.loads(result.stdout)["findings"]}

    def __getitem__(self, check: str) -> str:
        return str(self.findings[check]["result"])


# What the servers answer themselves; the rest is the same whoever is asked.
of_each_kind = pytest.mark.parametrize("server", KINDS, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(
        getattr(request, "param", "redis"),
        "--appendonly",
        "yes",
        "--maxmemory-policy",
        "noeviction",
    ).start()
    yield server
    server.stop()


def config_for(folder: Path, server: Server, **options: object) -> Path:
    return write_config(folder, store_url=server.url, provider_url=PROVIDER, **options)


@of_each_kind
def test_a_store_that_is_kept_well_has_no_fault(server, tmp_path) -> None:
    examined = Examined(config_for(tmp_path, server))

    of_store = {name: examined[name] for name in examined.findings if name.startswith("store")}
    assert {"ok"} == set(of_store.values()), examined.findings
    assert 8 == len(of_store)
    assert "ok" == examined["clock"]
    assert " ms of 100" in examined.findings["latency of a script"]["found"]
    assert "unknown" == examined["history"]


@of_each_kind
def test_bad_settings_of_the_store_are_faults_with_a_remedy(server, tmp_path) -> None:
    for name, value in (
        ("appendonly", "no"),
        ("maxmemory", "100mb"),
        ("maxmemory-policy", "allkeys-lru"),
    ):
        assert b"+OK\r\n" == server.ask("CONFIG", "SET", name, value)
    examined = Examined(config_for(tmp_path, server))

    assert 1 == examined.code
    assert ("fault", "fault") == (examined["store persistence"], examined["store eviction"])
    assert "appendonly yes" in examined.findings["store persistence"]["todo"]
    assert "noeviction" in examined.findings["store eviction"]["todo"]


def test_a_log_that_is_never_synced_is_a_fault(server, tmp_path) -> None:
    server.ask("CONFIG", "SET", "appendfsync", "no")

    assert "fault" == Examined(config_for(tmp_path, server))["store fsync"]


def test_a_store_that_is_away_is_a_fault_and_the_rest_is_told(server, tmp_path) -> None:
    server.kill()
    examined = Examined(config_for(tmp_path, server))

    assert 1 == examined.code
    assert ("fault", "unknown", "unknown") == (
        examined["store"],
        examined["history"],
        examined["sinks"],
    )
    assert "ok" == examined["configuration"]


def test_a_bad_configuration_is_a_fault(server, tmp_path) -> None:
    config = config_for(tmp_path, server, more="unheard_of: 1")
    examined = Examined(config)

    assert 1 == examined.code
    assert "unheard_of" in examined.findings["configuration"]["found"]


def test_a_secret_that_everybody_can_read_is_a_fault(server, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("ts_another-service-key-that-is-long-enough")
    secret.chmod(0o644)
    config = config_for(tmp_path, server)
    text = config.read_text().replace("env:TEST_SERVICE_KEY", f"file:{secret}")
    config.write_text(text)

    assert "fault" == Examined(config)["secret files"]
    secret.chmod(0o600)
    assert "ok" == Examined(config)["secret files"]


def test_people_get_a_table_and_what_to_do(server, tmp_path) -> None:
    server.ask("CONFIG", "SET", "appendonly", "no")
    config = config_for(tmp_path, server)
    told = CliRunner().invoke(main, ["doctor", "--config", str(config)], env=SECRETS)

    assert 1 == told.exit_code
    assert ["check", "result", "found"] == told.stdout.splitlines()[0].split()
    assert "\nWhat to do:\n" in told.stdout
    assert "store persistence: Set `appendonly yes`" in told.stdout
    assert SECRETS["TEST_PEPPER"] not in told.output


async def test_beside_a_running_gateway_the_history_is_up_to_date(server, tmp_path) -> None:
    async with running_gateway(tmp_path, server.url) as gateway:
        async with gateway.chat() as answer:
            assert 200 == answer.status
            await answer.read()
        examined = await asyncio.to_thread(Examined, tmp_path / "gateway.yaml")

    assert "ok" == examined["history"], examined.findings["history"]
