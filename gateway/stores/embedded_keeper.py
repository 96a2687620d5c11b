"""The process that keeps the embedded server while anybody uses it, and ends it afterwards.

Started by `embedded.py` as a script of its own, detached, on the standard library alone: it stays
small and needs neither our package nor its dependencies. Knows locks, one server process and its
socket; nothing of what is stored.

Users hold a shared lock on `users.lock`, which the kernel takes back however they die. The keeper
waits for the exclusive one: when it gets it, nobody is left and nobody can arrive until the server
is gone. A server that dies while it has users is started again. Nothing here polls: an open
connection to the server tells of its end.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

USERS_LOCK = "users.lock"
KEEPER_LOCK = "keeper.lock"
SOCKET_RECORD = "socket.path"
PID_FILE = "valkey.pid"
LOG_FILE = "valkey.log"

# A server asked to end writes its log out first; one that hangs is killed after this.
STOP_S = 10.0
ASK_PAUSE_S = 0.005
RESTART_PAUSE_S = 0.1
RESTART_PAUSE_MAX_S = 5.0
# Ignored: the end comes when the users are gone. A service manager signals everybody at once,
# while the workers still have calls to settle.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Keeper:
    def __init__(self, folder: Path, binary: str, socket_path: str) -> None:
        self._folder = folder
        self._binary = binary
        self._socket_path = socket_path
        self._child: subprocess.Popen[bytes] | None = None
        # Held while a server is being started, so that the last user's leave finds it.
        self._starting = threading.Lock()
        self._over = threading.Event()
        self._gone = threading.Event()

    def run(self, ready: int) -> None:
        """Keep a server until the last user has left; a byte to `ready` says that it is up."""
        lock = os.open(self._folder / KEEPER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        (self._folder / SOCKET_RECORD).write_text(self._socket_path)
        threading.Thread(target=self._end_after_last_user, daemon=True).start()
        self._keep(ready)
        # Free before the users' lock is: who arrives then may start the next keeper.
        os.close(lock)

    def _keep(self, ready: int) -> None:
        server = self._serve()
        if server is None or not _takes_commands(server):
            self._reap()
            return
        os.write(ready, b"1")
        os.close(ready)
        pause_s = RESTART_PAUSE_S
        while not self._over.is_set():
            began_s = time.monotonic()
            if server is not None:
                _wait_for_end(server)
                self._reap()
            if time.monotonic() - began_s > RESTART_PAUSE_MAX_S:
                pause_s = RESTART_PAUSE_S
            self._over.wait(pause_s)
            pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)
            server = self._serve()
        if server is not None:
            _wait_for_end(server)
            self._reap()
        self._gone.set()

    def _serve(self) -> socket.socket | None:
        """A connection to the running server, or to a new one; None if none comes up."""
        with self._starting:
            server = connect(self._socket_path)
            if server is not None or self._over.is_set():
                return server
            # Nobody listens: what a killed server left would only be in the way.
            Path(self._socket_path).unlink(missing_ok=True)
            child = self._child = subprocess.Popen(  # noqa: S603 - our own binary and paths
                [self._binary, *self._options()], stdin=subprocess.DEVNULL
            )
            while child.poll() is None:
                server = connect(self._socket_path)
                if server is not None:
                    return server
                time.sleep(ASK_PAUSE_S)
            return None

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": self._socket_path,
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # Money is never evicted: a full server refuses, and calls are refused with it.
            "maxmemory-policy": "noeviction",
            "timeout": "0",
            "pidfile": str(self._folder / PID_FILE),
            "logfile": str(self._folder / LOG_FILE),
            "loglevel": "warning",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()

    def _end_after_last_user(self) -> None:
        users = os.open(self._folder / USERS_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_EX)
        with self._starting:
            self._over.set()
            server = connect(self._socket_path)
        if server is None:
            return
        server.sendall(b"SHUTDOWN\r\n")
        if not self._gone.wait(STOP_S):
            # It still holds our connection, so the process of that number is still the server.
            os.kill(int((self._folder / PID_FILE).read_text()), signal.SIGKILL)


def connect(path: str) -> socket.socket | None:
    """None if nobody listens there."""
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        server.close()
        return None
    return server


def _takes_commands(server: socket.socket) -> bool:
    """Wait until it has loaded its data; False if it died of that."""
    answer = b"-LOADING"
    while answer.startswith(b"-LOADING"):
        time.sleep(ASK_PAUSE_S)
        try:
            server.sendall(b"PING\r\n")
            answer = server.recv(4096)
        except ConnectionError:
            return False
    return bool(answer)


def _wait_for_end(server: socket.socket) -> None:
    with server:
        try:
            while server.recv(4096):
                pass
        except ConnectionError:
            pass


def main(folder: Path, binary: str, socket_path: str) -> int:
    """Detach a keeper and answer 0 once its server takes commands, 1 if it does not come up."""
    told, ready = os.pipe()
    if os.fork():
        os.close(ready)
        return 0 if os.read(told, 1) else 1
    os.close(told)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    Keeper(folder, binary, socket_path).run(ready)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
