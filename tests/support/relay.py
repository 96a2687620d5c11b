"""A relay between a client and a Unix socket that can break off at a chosen point."""

import asyncio
from pathlib import Path


class Relay:
    """Passes bytes both ways. `swallow_replies` lets calls through and cuts before the answer."""

    def __init__(self, target: Path, path: Path) -> None:
        self._target = target
        self.path = path
        self.swallow_replies = False
        self.cut = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._target))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._calls(down, writer))
                both.create_task(self._replies(reader, up))
        except* OSError:
            pass
        finally:
            writer.close()
            up.close()

    async def _calls(self, down: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await down.read(65_536):
            writer.write(data)
        writer.close()

    async def _replies(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.swallow_replies:
                self.swallow_replies = False
                self.cut.set()
                break
            up.write(data)
        up.close()
