"""The upstream by TLS: nginx in front of it, on the harness's core, with a certificate of its own.

Keep-alive on both sides and no buffering, so that what it adds to a proxy under test is TLS.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nginx_server import nginx_server

_SERVER = """\
ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_session_cache shared:bench:1m;"""


@dataclass(frozen=True, slots=True)
class Door:
    """At https://localhost:`port`; `certificate` is to be trusted."""

    port: int
    certificate: Path


@contextmanager
def tls_door(folder: Path, upstream_port: int) -> Iterator[Door]:
    folder.mkdir()
    _make_certificate(folder)
    with nginx_server(
        folder,
        upstream_port,
        http="keepalive_timeout 600s;",
        listen="ssl",
        server=_SERVER.format(folder=folder),
    ) as nginx:
        yield Door(nginx.port, folder / "certificate.pem")


def _make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if outcome.returncode:
        raise SystemExit(f"openssl made no certificate:\n{outcome.stderr}")
