"""The configuration of a running gateway: read anew on demand, its files watched for changes."""

from collections.abc import Callable
from pathlib import Path

from gateway.app.inherited import Inherited
from gateway.errors import ConfigError
from gateway.settings import Settings
from gateway.settings.difference import changes, fixed_changes

# Size and time of each file, or nothing for one that is not there at the moment.
Look = tuple[tuple[int, int, int] | None, ...]


class Reloading:
    """`read` gives the settings anew, or raises ConfigError with everything that is wrong."""

    def __init__(self, read: Callable[[], Settings], settings: Settings) -> None:
        self._read = read
        self._files = settings.files
        self._loaded = self._seen = _look(self._files)

    def due(self) -> bool:
        """Whether a file changed since it was read, and was left alone since last asked."""
        seen, self._seen = self._seen, _look(self._files)
        return self._seen != self._loaded and self._seen == seen

    def load(self, running: Inherited) -> Inherited:
        """What is to run instead. Raises ConfigError, and then what runs is right to go on."""
        # Looked at before reading: what changes meanwhile is noticed next time.
        self._loaded = self._seen = _look(self._files)
        settings = self._read()
        self._files = settings.files
        self._loaded = self._seen = _look(self._files)
        fixed = fixed_changes(running.settings, settings)
        if fixed:
            raise ConfigError(
                f"{', '.join(fixed)} cannot change while the gateway runs. Start a new one."
            )
        return Inherited.prepare(
            settings,
            running.address,
            before=running,
            changes=changes(running.settings, settings),
        )


def _look(files: tuple[Path, ...]) -> Look:
    return tuple(_signature(file) for file in files)


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
