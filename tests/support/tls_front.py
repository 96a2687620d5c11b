"""TLS in front of a plain server, as operators put it there: AWS's SDKs send keys over it only."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
)


@dataclass(frozen=True)
class TlsFront:
    url: str
    certificate: Path


@asynccontextmanager
async def tls_front(folder: Path, port: int) -> AsyncIterator[TlsFront]:
    """What comes over TLS goes to `port` on this machine, and back."""
    subprocess.run(COMMAND.split(), cwd=folder, check=True, capture_output=True)  # noqa: ASYNC221
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    open_ends: list[asyncio.StreamWriter] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(down: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        up, on = await asyncio.open_connection("127.0.0.1", port)
        open_ends.extend((on, back))
        await asyncio.gather(_copy(down, on), _copy(up, back))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        own_port = server.sockets[0].getsockname()[1]
        yield TlsFront(f"https://127.0.0.1:{own_port}", folder / "cert.pem")
    finally:
        server.close()
        for end in open_ends:
            end.transport.abort()
        await asyncio.gather(*serving)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    # A TLS transport of asyncio that is closed once more after its peer hung up forgets its
    # protocol, and can no longer be aborted: "'NoneType' object has no attribute '_abort'".
    if not target.is_closing():
        target.close()
