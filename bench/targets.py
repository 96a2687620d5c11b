"""What is compared: each target starts one proxy on the gateway's core, and stops it again.

A target is a context manager from a Site to a Running. Adding one: a function and a row in
TARGETS.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from machine import free_port, on_gateway_core, running
from tollkeeper import Ledger, tollkeeper

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Site:
    """Where a target is set up: a folder of its own, and the upstream to talk to."""

    folder: Path
    upstream_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`pid` None: nothing stands between driver and upstream, so there is no CPU to count."""

    port: int
    pid: int | None = None
    key: str = "bench-key"
    helper_pid: int | None = None
    """Redis: shown beside the gateway, not counted as its own."""
    ledger: Ledger | None = None


Target = Callable[[Site], AbstractContextManager[Running]]

_NGINX_CONF = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 64k;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    upstream model {{
        server 127.0.0.1:{upstream_port};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


@contextmanager
def direct(site: Site) -> Iterator[Running]:
    """No proxy: what upstream and driver cost by themselves, and the zero of latencies."""
    yield Running(port=site.upstream_port)


@contextmanager
def nginx(site: Site) -> Iterator[Running]:
    """A plain streaming reverse proxy with keep-alive on both sides, one worker."""
    port = free_port()
    conf = site.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(
        _NGINX_CONF.format(
            folder=site.folder, upstream_port=site.upstream_port, port=port, user=user
        )
    )
    command = on_gateway_core([_nginx(), "-p", str(site.folder), "-c", str(conf)])
    with running(command, log=site.folder / "nginx.log", port=port) as pid:
        yield Running(port=port, pid=pid)


@contextmanager
def bare_aiohttp(site: Site) -> Iterator[Running]:
    port = free_port()
    script = str(HERE / "bare_aiohttp.py")
    command = on_gateway_core([sys.executable, script, str(port), str(site.upstream_port)])
    with running(command, log=site.folder / "aiohttp.log", port=port) as pid:
        yield Running(port=port, pid=pid)


@contextmanager
def metered(site: Site) -> Iterator[Running]:
    """Tollkeeper with everything on: limits, rolling holds, ledger, metrics, log lines."""
    with tollkeeper(site.folder, site.upstream_port) as gateway:
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
}


def versions() -> str:
    """One line for the head of a report."""
    python = f"Python {platform.python_version()}"
    packages = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("aiohttp", "uvloop", "httptools", "orjson", "hiredis")
    ]
    servers = [
        _first_line([which("nginx") or "/usr/sbin/nginx", "-v"]),
        _first_line([which("redis-server") or "redis-server", "--version"]),
    ]
    return ", ".join([python, *packages, *filter(None, servers)])


def _nginx() -> str:
    # Debian keeps it where only root's search path looks.
    program = which("nginx") or which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("nginx is needed as the measure of the others: install it")
    return program


def _first_line(command: list[str]) -> str:
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except OSError:
        return ""
    return (outcome.stdout or outcome.stderr).partition("\n")[0].partition(" sha=")[0]
