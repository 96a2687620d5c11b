"""The dashboard's files: read and packed once, named by what they hold, kept for ever by browsers.

All of them hang below one folder whose name is a digest of the whole tree, so no browser ever has
an old file under a new page: another tree has another address. A page has one style sheet and one
script, which its modules are joined into; lines of them that are only a comment stay here.
"""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.dashboard.scripts import joined

MEDIA_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
DIGEST_CHARS = 16
# Stands in a page for the address of its files.
PLACE = b"{assets}"
SCRIPT = re.compile(rb'src="\{assets\}/([\w/]+\.js)"')
# For whoever reads the source: a fifteenth of what browsers would get.
COMMENT = re.compile(rb"^ *(?://.*|/\*\*.*\*/)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    media_type: str
    body: bytes
    packed: bytes
    """With gzip."""


@dataclass(frozen=True, slots=True)
class Assets:
    """`pages` by name; `files` by their path below `place`."""

    digest: str
    place: str
    pages: Mapping[str, Asset]
    files: Mapping[str, Asset]


def load(root: str) -> Assets:
    """All files of the package, for a dashboard at the path `root`."""
    walked = sorted(_walk(files("gateway.dashboard") / "static", ""))
    modules = {name: COMMENT.sub(b"", body) for name, body in walked if name.endswith(".js")}
    found = {name: body for name, body in walked if name not in modules}
    pages = {name: body for name, body in found.items() if name.endswith(".html")}
    texts = {name: body.decode() for name, body in modules.items()}
    for page in pages.values():
        for script in SCRIPT.findall(page):
            found[script.decode()] = joined(script.decode(), texts).encode()
    digest = hashlib.sha256()
    for name, body in found.items():
        digest.update(b"%b\0%d\0%b" % (name.encode(), len(body), body))
    named = digest.hexdigest()[:DIGEST_CHARS]
    place = f"{root}/assets/{named}"
    return Assets(
        digest=named,
        place=place,
        pages={
            name.removesuffix(".html"): _asset(name, body.replace(PLACE, place.encode()))
            for name, body in pages.items()
        },
        files={name: _asset(name, body) for name, body in found.items() if name not in pages},
    )


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{name}/")
        elif name.rpartition(".")[2] in MEDIA_TYPES:
            yield name, entry.read_bytes()


def _asset(name: str, body: bytes) -> Asset:
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    return Asset(media_type, body, gzip.compress(body, 9, mtime=0))
