"""Other gateways, each installed by the benchmark into a folder of its own: never one of ours.

A peer that cannot be installed or started here is left out, and why is said in a sentence. All
relay a chat completion to the same upstream, with nothing else configured: what each does and does
not do meanwhile stands in docs/benchmarks.md.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree, which

import orjson
from machine import free_port, on_gateway_core, running, until
from scenarios import MODEL
from target import Running, Site, Target

HERE = Path(__file__).parent
INSTALL_WITHIN_S = 900.0
# LiteLLM alone takes half a minute on a quiet machine.
READY_WITHIN_S = 240.0


class Unavailable(Exception):
    """This peer is not to be had here; says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`install` puts it into a folder, if it is not there yet, and answers its version; raises
    Unavailable. `start` needs it there."""

    install: Callable[[Path], str]
    start: Target


def _from_pypi(package: str, requirement: str) -> Callable[[Path], str]:
    def install(folder: Path) -> str:
        python = folder / "bin" / "python"
        if not python.exists():
            _made(folder, [sys.executable, "-m", "venv", str(folder)])
            _made(folder, [str(python), "-m", "pip", "install", "--quiet", requirement])
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return _made(folder, [str(python), "-c", code]).strip()

    return install


def _from_npm(package: str) -> Callable[[Path], str]:
    def install(folder: Path) -> str:
        manifest = folder / "node_modules" / package / "package.json"
        if not manifest.exists():
            for program in ("node", "npm"):
                if which(program) is None:
                    raise Unavailable(f"it needs {program}, which is not installed")
            options = ["--no-fund", "--no-audit", "--prefix", str(folder)]
            _made(folder, ["npm", "install", *options, package])
        return str(orjson.loads(manifest.read_bytes())["version"])

    return install


def _made(folder: Path, command: list[str]) -> str:
    """What the command says; half an installation does not stay."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        outcome = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=INSTALL_WITHIN_S
        )
    except (subprocess.SubprocessError, OSError) as error:
        rmtree(folder, ignore_errors=True)
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise Unavailable(f"it cannot be installed: {said[-1] if said else error}") from error
    return outcome.stdout


_LITELLM_YAML = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{upstream_port}/v1
      api_key: bench-upstream-credential
    model_info: {{input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}}
general_settings: {{master_key: {key}}}
"""


@contextmanager
def litellm(site: Site) -> Iterator[Running]:
    """Its proxy with a master key and a priced model; no database, so no virtual keys."""
    port, key = free_port(), "sk-bench-key"
    config = site.folder / "litellm.yaml"
    text = _LITELLM_YAML.format(model=MODEL, upstream_port=site.upstream_port, key=key)
    config.write_text(text)
    command = [str(site.peers / "litellm" / "bin" / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command += ["--telemetry", "False"]
    # Prices from the wheel instead of from the network, and a quiet log.
    quiet = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
    }
    with _started(command, site, port=port, environment=quiet) as pid:
        yield Running(port=port, pid=pid, key=key, rewrites=True, slower=20)


@contextmanager
def portkey(site: Site) -> Iterator[Running]:
    """Its open gateway, told by headers where the provider is; no keys of its own, no metering."""
    port = free_port()
    server = "node_modules/@portkey-ai/gateway/build/start-server.js"
    command = ["node", str(site.peers / "portkey" / server), "--headless", f"--port={port}"]
    headers = (
        "x-portkey-provider: openai",
        f"x-portkey-custom-host: http://127.0.0.1:{site.upstream_port}/v1",
    )
    with _started(command, site, port=port) as pid:
        yield Running(port=port, pid=pid, headers=headers, rewrites=True, slower=5)


_TENSORZERO_TOML = """\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.{model}]
routing = ["bench"]

[models.{model}.providers.bench]
type = "openai"
model_name = "{model}"
api_base = "http://127.0.0.1:{upstream_port}/v1/"
api_key_location = "none"
"""


@contextmanager
def tensorzero(site: Site) -> Iterator[Running]:
    """The HTTP gateway in its wheel, without a database: nothing is stored, no keys, no limits."""
    config, log = site.folder / "tensorzero.toml", site.folder / "peer.log"
    config.write_text(_TENSORZERO_TOML.format(model=MODEL, upstream_port=site.upstream_port))
    python = str(site.peers / "tensorzero" / "bin" / "python")
    command = [python, str(HERE / "peer_tensorzero.py"), str(config)]
    with _started(command, site, port=None) as pid:

        def told() -> re.Match[str] | None:
            return re.search(r"listens at \S+:(\d+)/", log.read_text(errors="replace"))

        until(lambda: told() is not None, what="TensorZero", log=log, within_s=READY_WITHIN_S)
        found = told()
        assert found is not None, "it was there a moment ago"
        yield Running(
            port=int(found[1]),
            pid=pid,
            path="/openai/v1/chat/completions",
            model=f"tensorzero::model_name::{MODEL}",
            rewrites=True,
            slower=2,
        )


@contextmanager
def _started(
    command: list[str],
    site: Site,
    *,
    port: int | None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    with running(
        on_gateway_core(command),
        log=site.folder / "peer.log",
        port=port,
        environment={"HOME": os.fspath(site.folder), **(environment or {})},
        within_s=READY_WITHIN_S,
    ) as pid:
        yield pid


PEERS: Mapping[str, Peer] = {
    "litellm": Peer(_from_pypi("litellm", "litellm[proxy]"), litellm),
    "portkey": Peer(_from_npm("@portkey-ai/gateway"), portkey),
    "tensorzero": Peer(_from_pypi("tensorzero", "tensorzero"), tensorzero),
}
