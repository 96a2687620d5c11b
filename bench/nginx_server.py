"""nginx as the benchmark starts it: one upstream, keep-alive on both sides, no buffering."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from machine import free_port, running

_CONF = """\
daemon off;
{user}
worker_processes {workers};
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
    {http}
    upstream model {{
        server 127.0.0.1:{upstream_port};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} {listen} backlog=4096;
        {server}
        location / {{
            proxy_pass {scheme}://model;
            {location}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    port: int
    pid: int


@contextmanager
def nginx_server(
    folder: Path,
    upstream_port: int,
    *,
    workers: int = 1,
    scheme: str = "http",
    http: str = "",
    listen: str = "",
    server: str = "",
    location: str = "",
    place: Callable[[list[str]], list[str]] = list,
) -> Iterator[Nginx]:
    """`scheme`: that of the upstream. `http`, `listen`, `server`, `location`: what else stands at
    these places of the configuration. `place`: puts a command where it is to run."""
    port, conf = free_port(), folder / "nginx.conf"
    conf.write_text(
        _CONF.format(
            folder=folder,
            workers=workers,
            upstream_port=upstream_port,
            scheme=scheme,
            http=http,
            listen=listen,
            server=server,
            location=location,
            port=port,
            user="user root;" if os.geteuid() == 0 else "",
        )
    )
    command = place([nginx_program(), "-p", str(folder), "-c", str(conf)])
    with running(command, log=folder / "nginx.log", port=port) as pid:
        yield Nginx(port=port, pid=pid)


def nginx_program() -> str:
    # Debian keeps it where only root's search path looks.
    program = which("nginx") or which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("nginx is needed as the measure of the others: install it")
    return program
