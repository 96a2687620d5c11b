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
from decimal import Decimal
from pathlib import Path
from string import Template
from urllib.error import URLError
from urllib.request import urlopen

import orjson
from machine import free_port, on_gateway_core, running, until
from scenarios import MODEL
from tls_door import Door

REPOSITORY = Path(__file__).parent.parent
ACCOUNT = "bench"
# Well formed: the last six characters are the checksum that `keys create` would have given it.
KEY = "tk_benchkey0001_BenchBenchBenchBenchBenchBenchBen9AJUMa"
KEY_ID = KEY.split("_")[1]
# US dollars per million tokens, and the same as the ledger counts it: a credit is one cent.
INPUT_USD, OUTPUT_USD = "2.5", "10"
INPUT_RATE_UCR, OUTPUT_RATE_UCR = 250_000_000, 1_000_000_000
TOKENS_PER_RATE = 1_000_000
UCR_PER_CREDIT = 1_000_000
RICH_CREDITS = "1000000000"

_SECRETS = {
    "TOLLKEEPER_PEPPER": "bench-pepper-0123456789abcdef0123456789abcdef",
    "BENCH_CREDENTIAL": "bench-upstream-credential",
    "BENCH_KEY": KEY,
}

_GATEWAY_YAML = Template("""\
# Waiting is to show as latency, not as refusals; bench/overload.py is about those.
listen: {host: 127.0.0.1, port: $port, workers: $workers, loop_lag_max_ms: null}
admin: {host: 127.0.0.1, port: $admin_port}
store:
  url: redis://127.0.0.1:$redis_port/0
  data_dir: $folder/data
  # The harness saturates Redis's core on purpose: waiting shows as latency, not as refusals.
  admission_timeout_ms: 2000
  pepper: env:TOLLKEEPER_PEPPER
providers:
  bench:
    base_url: $base_url
    credential: env:BENCH_CREDENTIAL
    auth: bearer
    connections_max: 2000$ca_file
models:
  - {match: "*", provider: bench}
encodings:
  - {match: "*", encoding: o200k_base}
prices: [prices.yaml]
plans: plans.yaml
accounts:
  - id: $account
    plan: bench
    keys:
      - {id: $key_id, secret: env:BENCH_KEY}
    grants:
      - {id: bench, credits: "$credits"}
""")

_PLANS_YAML = Template("""\
plans:
  bench:
    enforcement: rolling
    limits:
      - {unit: requests, per: minute, ceiling: 1000000000}
      - {unit: tokens, per: minute, ceiling: 9000000000}
      - {unit: calls, ceiling: 1000000}
      - {unit: credits, per: day, ceiling: "$credits"}
""")

_PRICES_YAML = Template("""\
version: bench-1
effective_from: 2026-01-01
source: bench/tollkeeper.py
checked: 2026-01-01
models:
  $model: {input: "$input_usd", output: "$output_usd"}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The account as `balance` tells it."""

    charged_ucr: int
    held_ucr: int
    debt_ucr: int
    running_calls: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Asks the gateway's own command what it charged."""

    config: Path

    def balance(self) -> Balance:
        command = [sys.executable, "-m", "gateway", "balance", ACCOUNT, "--json"]
        outcome = subprocess.run(
            [*command, "--config", self.config],
            capture_output=True,
            env=os.environ | _SECRETS,
            cwd=REPOSITORY,
            check=False,
            timeout=30,
        )
        if outcome.returncode:
            raise SystemExit(f"balance failed:\n{outcome.stderr.decode(errors='replace')}")
        told = orjson.loads(outcome.stdout)
        return Balance(
            charged_ucr=_ucr(told["charged"]),
            held_ucr=_ucr(told["held"]),
            debt_ucr=_ucr(told["debt"]),
            running_calls=told["running_calls"],
        )


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
def tollkeeper(
    folder: Path, upstream_port: int, *, door: Door | None = None, workers: int = 1
) -> Iterator[Gateway]:
    """`door`: the upstream is asked there, by TLS."""
    port, admin_port, redis_port = free_port(), free_port(), free_port()
    config = _write_config(
        folder,
        port=port,
        admin_port=admin_port,
        redis_port=redis_port,
        workers=workers,
        base_url=f"http://127.0.0.1:{upstream_port}"
        if door is None
        else f"https://localhost:{door.port}",
        ca_file="" if door is None else f"\n    ca_file: {door.certificate}",
    )
    serve = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    serve = on_gateway_core(serve, workers=workers)
    with ExitStack() as stack:
        redis_pid = stack.enter_context(
            running(_redis(folder, redis_port), log=folder / "redis.log", port=redis_port)
        )
        pid = stack.enter_context(
            running(serve, log=folder / "gateway.log", port=port, environment=_SECRETS)
        )
        until(lambda: _ready(admin_port), what="/readyz", log=folder / "gateway.log")
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


def _write_config(folder: Path, **place: int | str) -> Path:
    values = {
        **place,
        "folder": folder,
        "account": ACCOUNT,
        "key_id": KEY_ID,
        "credits": RICH_CREDITS,
        "model": MODEL,
        "input_usd": INPUT_USD,
        "output_usd": OUTPUT_USD,
    }
    files = {
        "gateway.yaml": _GATEWAY_YAML,
        "plans.yaml": _PLANS_YAML,
        "prices.yaml": _PRICES_YAML,
    }
    for name, template in files.items():
        (folder / name).write_text(template.substitute(values))
    return folder / "gateway.yaml"


def _ucr(credits_text: str) -> int:
    return int(Decimal(credits_text) * UCR_PER_CREDIT)


def _ready(admin_port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{admin_port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
