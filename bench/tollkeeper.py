"""The metered target: a fresh Redis, a generated configuration, `serve`, and the ledger's word.

Everything a real installation has on is on: rolling holds, four limits, AOF, metrics, log lines.
The account is rich, so that no call is refused, which is the usual case of a paying customer.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.error import URLError
from urllib.request import urlopen

import orjson
from machine import free_port, on_gateway_core, running, until

REPOSITORY = Path(__file__).parent.parent
ACCOUNT = "bench"
# Well formed: the last six characters are the checksum that `keys create` would have given it.
KEY = "tk_benchkey0001_BenchBenchBenchBenchBenchBenchBen9AJUMa"
# µcr per million tokens; charges below are computed from these.
INPUT_RATE_UCR = 250_000_000
OUTPUT_RATE_UCR = 1_000_000_000
TOKENS_PER_RATE = 1_000_000
GRANT_CREDITS = 1_000_000_000

_SECRETS = {
    "TOLLKEEPER_PEPPER": "bench-pepper-0123456789abcdef0123456789abcdef",
    "BENCH_CREDENTIAL": "bench-upstream-credential",
    "BENCH_KEY": KEY,
}

_GATEWAY_YAML = Template("""\
listen: {host: 127.0.0.1, port: $port, workers: 1}
admin: {host: 127.0.0.1, port: $admin_port}
store:
  url: redis://127.0.0.1:$redis_port/0
  data_dir: $folder/data
  pepper: env:TOLLKEEPER_PEPPER
providers:
  bench:
    base_url: http://127.0.0.1:$upstream_port/v1
    credential: env:BENCH_CREDENTIAL
    auth: bearer
models:
  - {match: "*", provider: bench}
prices: [prices.yaml]
plans: plans.yaml
accounts:
  - id: $account
    plan: bench
    keys:
      - {id: bench, secret: env:BENCH_KEY}
    grants:
      - {id: bench, credits: $credits}
""")

_PLANS_YAML = """\
plans:
  bench:
    enforcement: rolling
    limits:
      - {unit: requests, window: minute, ceiling: 1000000000}
      - {unit: tokens, window: minute, ceiling: 1000000000000}
      - {unit: calls, ceiling: 1000000}
      - {unit: microcredits, window: day, ceiling: 1000000000000000}
"""

_PRICES_YAML = Template("""\
version: bench-1
models:
  bench-model:
    input: $input_rate
    output: $output_rate
""")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Asks the gateway's own command what it charged."""

    config: Path

    def balance(self) -> dict[str, int]:
        """The account's balance as the command prints it, in microcredits."""
        outcome = subprocess.run(
            [
                sys.executable,
                "-m",
                "gateway",
                "balance",
                ACCOUNT,
                "--json",
                "--config",
                self.config,
            ],
            capture_output=True,
            env=os.environ | _SECRETS,
            cwd=REPOSITORY,
            check=False,
            timeout=30,
        )
        if outcome.returncode:
            raise SystemExit(f"balance failed:\n{outcome.stderr.decode(errors='replace')}")
        answer: dict[str, int] = orjson.loads(outcome.stdout)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    port: int
    pid: int
    redis_pid: int
    key: str
    ledger: Ledger


def charge_ucr(*, input_tokens: int, output_tokens: int) -> int:
    """What one call costs on the benchmark's card, rounded up once, as the ledger owes it."""
    total = input_tokens * INPUT_RATE_UCR + output_tokens * OUTPUT_RATE_UCR
    return -(-total // TOKENS_PER_RATE)


@contextmanager
def tollkeeper(folder: Path, upstream_port: int) -> Iterator[Gateway]:
    port, admin_port, redis_port = free_port(), free_port(), free_port()
    config = _write_config(
        folder,
        port=port,
        admin_port=admin_port,
        redis_port=redis_port,
        upstream_port=upstream_port,
    )
    serve = on_gateway_core([sys.executable, "-m", "gateway", "serve", "--config", str(config)])
    with ExitStack() as stack:
        redis_pid = stack.enter_context(
            running(_redis(folder, redis_port), log=folder / "redis.log", port=redis_port)
        )
        pid = stack.enter_context(
            running(serve, log=folder / "gateway.log", port=port, environment=_SECRETS)
        )
        until(lambda: _ready(admin_port), what="tollkeeper's /readyz", within_s=20)
        yield Gateway(port=port, pid=pid, redis_pid=redis_pid, key=KEY, ledger=Ledger(config))


def _redis(folder: Path, port: int) -> list[str]:
    data = folder / "redis"
    data.mkdir()
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(data),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }
    return ["redis-server", *(part for name in options for part in (f"--{name}", options[name]))]


def _write_config(folder: Path, **ports: int) -> Path:
    (folder / "plans.yaml").write_text(_PLANS_YAML)
    (folder / "prices.yaml").write_text(
        _PRICES_YAML.substitute(input_rate=INPUT_RATE_UCR, output_rate=OUTPUT_RATE_UCR)
    )
    config = folder / "gateway.yaml"
    config.write_text(
        _GATEWAY_YAML.substitute(ports, folder=folder, account=ACCOUNT, credits=GRANT_CREDITS)
    )
    return config


def _ready(admin_port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{admin_port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
