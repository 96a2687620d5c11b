"""A gateway before a provider that records, and bare requests to it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.gateways import TestGateway, running_gateway
from support.raw_client import exchange, exchanges
from support.recording_upstream import RecordingUpstream


def chat(body: bytes, *fields: bytes, line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    """A whole request, complete but for the key."""
    head = (line, b"Host: x", b"Authorization: Bearer KEY", b"Content-Type: application/json")
    return b"\r\n".join((*head, *fields, b"Content-Length: %d" % len(body), b"", body))


@dataclass
class Besieged:
    """`tk` with `upstream` behind it."""

    tk: TestGateway
    upstream: RecordingUpstream

    async def ask(self, requests: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The answers to each; KEY in them is a valid key."""
        key = self.tk.key.encode()
        ready = {name: each.replace(b"KEY", key) for name, each in requests.items()}
        return await exchanges(self.tk.gateway.port, ready)

    async def one(self, request: bytes) -> bytes:
        return await exchange(self.tk.gateway.port, request.replace(b"KEY", self.tk.key.encode()))


@asynccontextmanager
async def besieged(
    folder: Path, store_url: str, *, answer: bytes | None = None, **options: Any
) -> AsyncIterator[Besieged]:
    upstream = RecordingUpstream(answer)
    async with (
        upstream.server,
        running_gateway(folder, store_url, provider_url=upstream.server.url, **options) as tk,
    ):
        yield Besieged(tk, upstream)
