"""What is compared: each target starts one proxy on the gateway's core, and stops it again.

A target is a context manager from a Site to a Running. Adding one: a function and a row in
TARGETS.
"""

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which

from machine import free_port, on_gateway_core, running
from nginx_server import nginx_program, nginx_server
from peers import PEERS
from target import Running, Site, Target
from tollkeeper import tollkeeper

__all__ = ["SINGLE", "TARGETS", "Running", "Site", "Target", "versions"]

HERE = Path(__file__).parent


_NGINX_TLS = """\
proxy_ssl_trusted_certificate {certificate};
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
"""


@contextmanager
def direct(site: Site) -> Iterator[Running]:
    """No proxy: what upstream and driver cost by themselves, and the zero of latencies."""
    yield Running(port=site.upstream_port)


@contextmanager
def nginx(site: Site) -> Iterator[Running]:
    """A plain streaming reverse proxy with keep-alive on both sides."""
    door = site.door
    with nginx_server(
        site.folder,
        site.upstream_port if door is None else door.port,
        workers=site.workers,
        scheme="http" if door is None else "https",
        http="tcp_nodelay on;",
        location="" if door is None else _NGINX_TLS.format(certificate=door.certificate),
        place=partial(on_gateway_core, workers=site.workers),
    ) as nginx:
        yield Running(port=nginx.port, pid=nginx.pid)


@contextmanager
def bare_aiohttp(site: Site) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, str(HERE / "bare_aiohttp.py"), str(port)]
    if site.door is None:
        command += [f"http://127.0.0.1:{site.upstream_port}"]
    else:
        command += [f"https://localhost:{site.door.port}", str(site.door.certificate)]
    command = on_gateway_core(command)
    with running(command, log=site.folder / "aiohttp.log", port=port) as pid:
        yield Running(port=port, pid=pid)


@contextmanager
def metered(site: Site) -> Iterator[Running]:
    """Tollkeeper with everything on: limits, rolling holds, ledger, metrics, log lines."""
    with tollkeeper(
        site.folder, site.upstream_port, door=site.door, workers=site.workers
    ) as gateway:
        yield Running(
            port=gateway.port,
            pid=gateway.pid,
            key=gateway.key,
            helper_pid=gateway.redis_pid,
            ledger=gateway.ledger,
        )


TARGETS: Mapping[str, Target] = {
    "direct": direct,
    "nginx": nginx,
    "aiohttp": bare_aiohttp,
    "tollkeeper": metered,
    **{name: peer.start for name, peer in PEERS.items()},
}
SINGLE = frozenset({"aiohttp", *PEERS})
"""Those that are only ever started with one worker."""


def versions() -> str:
    """One line for the head of a report."""
    python = f"Python {platform.python_version()}"
    packages = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("aiohttp", "uvloop", "httptools", "orjson", "hiredis")
    ]
    servers = [
        _first_line([nginx_program(), "-v"]),
        _first_line([which("redis-server") or "redis-server", "--version"]),
    ]
    return ", ".join([python, *packages, *filter(None, servers)])


def _first_line(command: list[str]) -> str:
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except OSError:
        return ""
    return (outcome.stdout or outcome.stderr).partition("\n")[0].partition(" sha=")[0]
