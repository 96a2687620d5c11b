"""A line between two processes that can be cut, slowed, stopped, or robbed of one answer."""

import asyncio
from pathlib import Path

Address = Path | int
"""A Unix socket, or a TCP port of this machine."""


class Line:
    """Passes bytes both ways between whoever connects to `here` and `there`, which may change."""

    def __init__(self, here: Address, there: Address) -> None:
        self.here = here
        self.there = there
        self.delay_s = 0.0
        self._open = True
        self._lose_answer = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._hearing = asyncio.Event()
        self._hearing.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        if isinstance(self.here, Path):
            self._server = await asyncio.start_unix_server(self._serve, str(self.here))
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.here)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about until `heal`."""
        self._open = False
        self._break()

    def hang(self) -> None:
        """Connections stay; what arrives is kept back until `heal`."""
        self._passing.clear()

    def deafen(self) -> None:
        """Questions pass; answers are kept back until `heal`."""
        self._hearing.clear()

    def lose_answer(self) -> None:
        """The next answer does not arrive: the question did, and the line breaks instead."""
        self._lose_answer = True

    def redirect(self, there: Address) -> None:
        self.there = there
        self._break()

    def heal(self) -> None:
        self._open, self._lose_answer, self.delay_s = True, False, 0.0
        self._passing.set()
        self._hearing.set()

    def _break(self) -> None:
        for end in tuple(self._ends):
            end.transport.abort()

    async def _serve(self, asker: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        if not self._open:
            answers.transport.abort()
            return
        try:
            if isinstance(self.there, Path):
                reader, writer = await asyncio.open_unix_connection(str(self.there))
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.there)
        except OSError:
            answers.transport.abort()
            return
        ends = {answers, writer}
        self._ends |= ends
        loop = asyncio.get_running_loop()
        for source, sink, answering in ((asker, writer, False), (reader, answers, True)):
            pump = loop.create_task(self._pump(source, sink, ends, answering=answering))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: set[asyncio.StreamWriter],
        *,
        answering: bool,
    ) -> None:
        try:
            while data := await source.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._passing.wait()
                if answering:
                    await self._hearing.wait()
                if answering and self._lose_answer:
                    self._lose_answer = False
                    break
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort() if self._broken(source, answering=answering) else end.close()
            self._ends -= ends

    @staticmethod
    def _broken(source: asyncio.StreamReader, *, answering: bool) -> bool:
        """A question that ends is followed by its answer no longer; one that broke, by nothing."""
        return source.exception() is not None or (answering and not source.at_eof())
