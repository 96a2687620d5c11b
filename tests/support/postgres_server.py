"""A PostgreSQL of Debian's, started for a test and thrown away; root cannot run one, so another
user does."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"


def programs() -> Path | None:
    """Where initdb and postgres are, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


class PostgresServer:
    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        # Of a Unix socket the directory is its address; no port is taken.
        self.url = f"postgresql://{USER}@/postgres?host={folder}"

    def _run(self, *words: str) -> None:
        command = [str(self._programs / words[0]), *words[1:]]
        if os.geteuid() == 0:
            # Not everybody's PATH has the directory it is in.
            command = ["/usr/sbin/runuser", "-u", USER, "--", *command]
        subprocess.run(command, check=True, capture_output=True, timeout=50, cwd="/")

    def create(self) -> None:
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off"
        data, log = str(self._folder / "data"), str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")


@contextmanager
def postgres_server(programs: Path) -> Iterator[PostgresServer]:
    # Not under pytest's own directory, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="tk-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    server = PostgresServer(folder, programs)
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)
