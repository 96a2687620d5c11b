"""A real Prometheus (Debian's package) with our configuration, for tests."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from support.redis_server import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
PATIENCE_S = 60.0


class Prometheus:
    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._base = base
        self._http = http

    async def api(self, path: str, **parameters: str) -> Any:
        """What `/api/v1/<path>` answers as `data`; AssertionError with its complaint."""
        async with self._http.get(f"{self._base}/api/v1/{path}", params=parameters) as answer:
            told = await answer.json()
        assert "success" == told["status"], told
        return told["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector."""
        result: list[dict[str, Any]] = (await self.api("query", query=expression))["result"]
        return result

    async def becomes(self, expression: str, wanted: float) -> None:
        """Return when the expression's one value is that; nobody is told of a scrape."""
        found = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := await self.value(expression)) != wanted:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{expression} stayed {found}") from None

    async def value(self, expression: str) -> float | None:
        """Of an expression with one result; None before it has any."""
        found = await self.query(expression)
        return float(found[0]["value"][1]) if found else None


@asynccontextmanager
async def running_prometheus(folder: Path, admin_port: int) -> AsyncIterator[Prometheus]:
    """Scrapes the listener at `admin_port` each second, as what we ship would at its target."""
    binary = shutil.which("prometheus")
    assert binary is not None, "these tests need Debian's package `prometheus`"
    folder.mkdir()
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(SHIPPED / each) for each in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{admin_port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{port}"
            await _ready(http, base, process)
            yield Prometheus(base, http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(
    http: aiohttp.ClientSession, base: str, process: asyncio.subprocess.Process
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with http.get(f"{base}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                assert process.returncode is None, "Prometheus did not start"
            await asyncio.sleep(0.1)
