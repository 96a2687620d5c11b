"""Everything loading reads from outside: files, and secrets by reference. Remembers what it read.

Secrets go out by return value only; what is wrong with one is said without showing it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gateway.settings.documents import FILE_BYTES_MAX, Node, parse
from gateway.settings.problems import Problems

# A credential, a pepper or a URL; a whole certificate bundle is no secret and not read here.
SECRET_BYTES_MAX = 64 * 1024


class Sources:
    """Reads relative to the directory of the main file."""

    def __init__(self, main: Path, environ: Mapping[str, str], problems: Problems) -> None:
        self._directory = main.parent
        self._environ = environ
        self._problems = problems
        self._digest = hashlib.sha256()
        self.files: list[Path] = []

    @property
    def digest(self) -> str:
        """Of everything read so far, secrets included: it changes when any of it does."""
        return self._digest.hexdigest()

    def document(self, path: Path, *, asked_by: Node) -> Node | None:
        """A YAML file's tree; its flaws become problems. None when it cannot be read at all."""
        data = self._read(path, FILE_BYTES_MAX, asked_by=asked_by, suggestion=_RELATIVE)
        if data is None:
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            here = Node(str(path), line, "", None)
            self._problems.add(here, "not UTF-8 text", suggestion="Save the file as UTF-8.")
            return None
        root, flaws = parse(text, file=str(path))
        for flaw in flaws:
            self._problems.add(flaw.node, flaw.reason, suggestion=flaw.suggestion)
        return root

    def beside(self, name: str) -> Path:
        """A path as written in the main file: relative to its directory."""
        return self._directory / name

    def secret(self, reference: str, *, asked_by: Node) -> str | None:
        """What `env:NAME` or `file:PATH` refers to, without the file's last line break."""
        scheme, _, name = reference.partition(":")
        if scheme == "env":
            value = self._environ.get(name)
            if value is None:
                self._problems.add(
                    asked_by,
                    f"the environment variable {name} is not set",
                    suggestion=f"Set {name}, or use file:PATH.",
                )
                return None
        else:
            data = self._read(
                self.beside(name), SECRET_BYTES_MAX, asked_by=asked_by, suggestion=_MOUNTED
            )
            if data is None:
                return None
            value = data.decode("utf-8", "replace").rstrip("\r\n")
        self._digest.update(f"\0{reference}\0{value}".encode("utf-8", "surrogateescape"))
        return self._clean(value, asked_by=asked_by, reference=reference)

    def readable(self, name: str, *, asked_by: Node) -> Path | None:
        """The path of a file that others will read: it must exist."""
        path = self.beside(name)
        data = self._read(path, FILE_BYTES_MAX, asked_by=asked_by, suggestion=_RELATIVE)
        return path if data is not None else None

    def _clean(self, value: str, *, asked_by: Node, reference: str) -> str | None:
        if not value:
            self._problems.add(
                asked_by, f"{reference} is empty", suggestion="Put the secret there."
            )
            return None
        # Anything else would break out of a header, or be lost in one.
        if not value.isascii() or not value.isprintable() or " " in value:
            self._problems.add(
                asked_by,
                f"{reference} holds blanks, line breaks or non-ASCII characters",
                suggestion="Look for quotes, blanks or line breaks around the secret.",
            )
            return None
        return value

    def _read(self, path: Path, bytes_max: int, *, asked_by: Node, suggestion: str) -> bytes | None:
        try:
            with path.open("rb") as file:
                data = file.read(bytes_max + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a valid path"
            self._problems.add(asked_by, f"cannot read {path}: {reason}", suggestion=suggestion)
            return None
        if len(data) > bytes_max:
            self._problems.add(
                asked_by, f"{path} is larger than {bytes_max} bytes", suggestion=suggestion
            )
            return None
        self.files.append(path)
        self._digest.update(f"\0{path.name}\0{len(data)}\0".encode() + data)
        return data


_RELATIVE = "Paths are relative to the main file; check the name and the permissions."
_MOUNTED = "Check the path and that the gateway's user may read it."
