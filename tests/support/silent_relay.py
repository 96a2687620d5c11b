"""A relay in front of a Unix socket that can fall silent: connections stay open, nothing passes."""

import asyncio
from pathlib import Path
from typing import Self


class SilentRelay:
    """`passing` cleared: whatever arrives, either way, is kept back until it is set again."""

    def __init__(self, target: Path, path: Path) -> None:
        self._target = target
        self._path = path
        self.passing = asyncio.Event()
        self.passing.set()
        self.connections = 0
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        self.connections += 1
        reader, writer = await asyncio.open_unix_connection(str(self._target))
        loop = asyncio.get_running_loop()
        for source, sink in ((down, writer), (reader, up)):
            pump = loop.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self.passing.wait()
                sink.write(data)
        finally:
            sink.close()
