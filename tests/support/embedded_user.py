"""A process that uses the embedded server of a data directory until told to leave or killed."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from gateway.stores.embedded import EmbeddedServer

with EmbeddedServer(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class EmbeddedUser:
    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url

    @classmethod
    async def start(cls, data_dir: Path) -> "EmbeddedUser":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(data_dir), stdin=PIPE, stdout=PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        return cls(process, (await process.stdout.readline()).decode().strip())

    async def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.communicate()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()
