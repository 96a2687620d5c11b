"""SDKs for Node: installed once as a lock file says, then run without a network.

`tests/node` has the scripts of OpenAI's SDK, and folders in it those of others. Versions
are the last that run on the Node of Debian 12 and on 20.
"""

import asyncio
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from support.gateways import TestGateway, running_gateway

SOURCE = Path(__file__).parents[1] / "node"
AI_SDK = SOURCE / "ai_sdk"
ANTHROPIC = SOURCE / "anthropic"
MANIFEST = ("package.json", "package-lock.json")
INSTALL_TIMEOUT_S = 150
RUN_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One conversation: with whom, and what is asked."""

    request: dict[str, Any]
    base_url: str
    api_key: str
    simulate: str = ""
    max_retries: int = 0

    def document(self) -> dict[str, Any]:
        return {
            "client": {
                "baseURL": self.base_url,
                "apiKey": self.api_key,
                "maxRetries": self.max_retries,
            },
            "request": self.request,
            "headers": {"x-simulate": self.simulate},
        }


def talk(tk: TestGateway, **options: Any) -> Talk:
    """With the gateway, as its account, unless `options` say otherwise."""
    return Talk(**{"base_url": tk.base_url, "api_key": tk.key} | options)


@asynccontextmanager
async def balanced_gateway(
    folder: Path, store_url: str, **options: Any
) -> AsyncIterator[TestGateway]:
    """A gateway whose books must balance at the end."""
    async with running_gateway(folder, store_url, **options) as tk:
        yield tk
        await tk.assert_books_balance()


@dataclass(frozen=True, slots=True)
class NodeSdk:
    """Scripts beside an installed SDK."""

    folder: Path

    async def run(self, script: str, *talks: Talk) -> list[dict[str, Any]]:
        """`{"answer": …}` or `{"error": …}` of each talk, one after the other."""
        asked = orjson.dumps([talk.document() for talk in talks])
        return orjson.loads(await self._node(f"{script}.mjs", read=asked))

    async def evaluate(self, source: str) -> str:
        """What a module prints."""
        return (await self._node("--input-type=module", read=source.encode())).decode()

    async def _node(self, word: str, *, read: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            "node",
            word,
            cwd=self.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(RUN_TIMEOUT_S):
                told, complaint = await process.communicate(read)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert 0 == process.returncode, complaint.decode()
        return told


def install(cache: Path, source: Path = SOURCE) -> NodeSdk:
    """The SDK in a folder of `cache` named by its lock file: an older run's is used again."""
    lock = b"".join((source / name).read_bytes() for name in MANIFEST)
    folder = cache / hashlib.sha256(lock).hexdigest()[:16]
    if not folder.is_dir():
        _install_into(folder, source)
    for script in source.glob("*.mjs"):
        shutil.copy(script, folder)
    return NodeSdk(folder)


def _install_into(folder: Path, source: Path) -> None:
    """Complete or not there: another run may be installing at the same time."""
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        building = Path(scratch) / "sdk"
        building.mkdir()
        for name in MANIFEST:
            shutil.copy(source / name, building)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=building,
            check=True,
            timeout=INSTALL_TIMEOUT_S,
        )
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
