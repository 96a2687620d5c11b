"""A whole gateway with several accounts, for the benchmarks that look at overload and at hours.

Redis with AOF, `tollkeeper serve` with one worker, everything on: rolling holds, limits, metrics,
log lines, the history. What stands behind it is the caller's.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.request import urlopen

from bench.machine import free_port, running, tree, until
from gateway.metering.accounts import format_key

PATIENCE_S = 5
AUDIT_TIMEOUT_S = 300
RICH_CREDITS = "1000000000"
_SECRETS = {
    "TOLLKEEPER_PEPPER": "bench-pepper-0123456789abcdef0123456789abcdef",
    "BENCH_CREDENTIAL": "bench-upstream-credential",
}

_GATEWAY_YAML = Template("""\
listen: {host: 127.0.0.1, port: $port, workers: 1, calls_max: $calls_max}
admin: {host: 127.0.0.1, port: $admin_port}
store:
  url: redis://127.0.0.1:$redis_port/0
  data_dir: $folder/data
  # Driver, upstream and Redis share a core: a wait for it is not what is looked at here.
  admission_timeout_ms: 2000
  pepper: env:TOLLKEEPER_PEPPER
providers:
  bench:
    base_url: http://127.0.0.1:$upstream_port
    credential: env:BENCH_CREDENTIAL
    connections_max: 5000
models:
  - {match: fast, provider: bench, upstream_model: gpt-4.1-mini}
  - {match: "*", provider: bench}
encodings: [{match: "*", encoding: o200k_base}]
prices: [prices.yaml]
plans:
  bench:
    enforcement: rolling
    limits:
      - {unit: requests, per: minute, ceiling: 1000000000}
      - {unit: calls, ceiling: 1000000}
      - {unit: credits, per: day, ceiling: "$credits"}
accounts:
""")
_ACCOUNT = Template("""\
  - {id: $account, plan: bench, keys: [{id: $key_id, secret: "env:$secret"}],
     grants: [{id: rich, credits: "$credits"}]}
""")
_PRICES_YAML = """\
version: bench-1
effective_from: 2026-01-01
source: bench/site.py
checked: 2026-01-01
models:
  bench-model: {input: "2.5", output: "10"}
  gpt-4.1-mini: {input: "0.40", output: "1.60", context_tokens: 100000, max_output_tokens: 32768}
  gpt-realtime: {input: "4", input_audio: "32", output: "16", output_audio: "64",
                 context_tokens: 32000, max_output_tokens: 4096}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    port: int
    admin_port: int
    pid: int
    """The supervisor's."""
    keys: dict[str, str]
    """By account."""
    config: Path
    environment: dict[str, str]
    """The secrets that it refers to."""
    began_s: float

    @property
    def worker_pid(self) -> int:
        return tree(self.pid)[1]

    def audit(self) -> list[str]:
        """What the gateway's own audit finds wrong between ledger and history: nothing."""
        command = [sys.executable, "-m", "gateway", "audit", "--config", str(self.config)]
        outcome = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=AUDIT_TIMEOUT_S,
            env=os.environ | self.environment,
        )
        return [f"audit: {outcome.stdout}{outcome.stderr}"] if outcome.returncode else []

    def page(self) -> "Page":
        return Page(_fetch(f"http://127.0.0.1:{self.admin_port}/metrics").decode())


@dataclass(frozen=True, slots=True)
class Page:
    """What /metrics said."""

    text: str

    def total(self, name: str) -> int:
        """Of all the series of that name."""
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", self.text, re.MULTILINE)
        return round(sum(map(float, found)))

    def buckets(self, name: str) -> dict[float, int]:
        """A histogram's counts up to each bound, which is its key; the last is infinite."""
        found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', self.text, re.MULTILINE)
        return {float(bound): round(float(count)) for bound, count in found}


@contextmanager
def serving(
    folder: Path,
    *,
    upstream_port: int,
    accounts: Sequence[str],
    calls_max: int = 4096,
    prefix: Sequence[str] = (),
) -> Iterator[Served]:
    """`prefix`: what the gateway's command is begun with, such as taskset."""
    port, admin_port, redis_port = free_port(), free_port(), free_port()
    keys = {
        account: format_key(f"benchkey{number:04d}", "B" * 33)
        for number, account in enumerate(accounts)
    }
    config = folder / "gateway.yaml"
    ports = {"port": port, "admin_port": admin_port, "redis_port": redis_port}
    config.write_text(
        _GATEWAY_YAML.substitute(
            ports,
            upstream_port=upstream_port,
            folder=folder,
            calls_max=calls_max,
            credits=RICH_CREDITS,
        )
        + "".join(
            _ACCOUNT.substitute(
                account=account,
                key_id=key.split("_")[1],
                secret=_secret_of(account),
                credits=RICH_CREDITS,
            )
            for account, key in keys.items()
        )
    )
    (folder / "prices.yaml").write_text(_PRICES_YAML)
    environment = _SECRETS | {_secret_of(account): key for account, key in keys.items()}
    serve = [*prefix, sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    log = folder / "gateway.log"
    with ExitStack() as stack:
        store = running(_redis(folder, redis_port), log=folder / "redis.log", port=redis_port)
        stack.enter_context(store)
        pid = stack.enter_context(running(serve, log=log, port=port, environment=environment))
        until(lambda: _ready(admin_port), what="/readyz", log=log)
        yield Served(
            port=port,
            admin_port=admin_port,
            pid=pid,
            keys=keys,
            config=config,
            environment=environment,
            began_s=time.monotonic(),
        )


def _secret_of(account: str) -> str:
    """The environment variable its key is in."""
    return f"KEY_{account.replace('-', '_').upper()}"


def _redis(folder: Path, port: int) -> list[str]:
    (folder / "redis").mkdir()
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder / "redis"),
        "save": "",
        "appendonly": "yes",
    }
    return ["redis-server", *(part for name in options for part in (f"--{name}", options[name]))]


def _ready(admin_port: int) -> bool:
    try:
        _fetch(f"http://127.0.0.1:{admin_port}/readyz")
    except OSError:
        return False
    return True


def _fetch(url: str) -> bytes:
    with urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - a loopback address of ours
        return bytes(answer.read())
