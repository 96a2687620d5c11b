"""What costs nothing passes byte for byte, in both directions, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.gateways import TestGateway, running_gateway
from support.raw_server import Peer, RawServer

BINARY = bytes(range(256)) * 40
FILE = "/v1/files/file-1/content"


class Provider:
    """Answers each request with the next of `answers` and keeps the requests as they came."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []

    async def serve(self, peer: Peer) -> None:
        while request := await peer.request():
            self.requests.append(request)
            peer.push(self._answers.pop(0))


class Client:
    """One connection to the gateway, on which bytes are written and read as they are."""

    def __init__(
        self, tk: TestGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._tk = tk
        self._reader = reader
        self._writer = writer

    async def ask(self, request: str, *fields: str, body: bytes = b"") -> None:
        lines = [f"{request} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {self._tk.key}"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join([*lines, *fields, "", ""]).encode() + body)
        await self._writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def body(self, size: int) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readexactly(size)

    async def nothing_follows(self) -> None:
        """The next answer on this connection begins right here: no byte lies in between."""
        await self.ask("GET /v1/nowhere")
        assert (await self.head()).startswith(b"HTTP/1.1 404 Not Found\r\n")


@asynccontextmanager
async def connected(
    folder: Path, store_url: str, *answers: bytes
) -> AsyncIterator[tuple[Provider, Client]]:
    """What is asked for was never created here, so the account's own is not all there is."""
    provider = Provider(answers)
    async with (
        RawServer(provider.serve) as server,
        running_gateway(folder, store_url, provider_url=server.url, stored_objects="shared") as tk,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        yield provider, Client(tk, reader, writer)
        writer.close()
        assert 0 == (await tk.settled()).charged_ucr


def answer(status: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + body


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_binary_answer_passes_byte_for_byte(
    tmp_path: Path, store_url: str, framing: str
) -> None:
    fields = ["Content-Type: audio/mpeg", 'Content-Disposition: attachment; filename="a.mp3"']
    if framing == "length":
        given = answer("200 OK", *fields, f"Content-Length: {len(BINARY)}", body=BINARY)
    else:
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BINARY), BINARY)
        given = answer("200 OK", *fields, "Transfer-Encoding: chunked", body=chunked)
    async with connected(tmp_path, store_url, given) as (_, client):
        await client.ask(f"GET {FILE}")
        head = await client.head()

        assert all(f"{field}\r\n".encode() in head for field in fields)
        if framing == "length":
            assert BINARY == await client.body(len(BINARY))
        else:
            got = b""
            while size := int((await client._reader.readline()).strip(), 16):
                got += (await client.body(size + 2))[:-2]
            await client.body(2)
            assert BINARY == got
        await client.nothing_follows()


async def test_a_part_of_a_file_can_be_asked_for(tmp_path: Path, store_url: str) -> None:
    fields = ("Content-Range: bytes 10-19/10240", "Accept-Ranges: bytes", 'ETag: "v1"')
    given = answer("206 Partial Content", *fields, "Content-Length: 10", body=BINARY[10:20])
    async with connected(tmp_path, store_url, given) as (provider, client):
        await client.ask(f"GET {FILE}?x=1", "Range: bytes=10-19", 'If-Range: "v1"')
        head = await client.head()

        assert head.startswith(b"HTTP/1.1 206 Partial Content\r\n")
        assert all(f"{field}\r\n".encode() in head for field in fields)
        assert BINARY[10:20] == await client.body(10)
        assert b'\r\nRange: bytes=10-19\r\nIf-Range: "v1"\r\n' in provider.requests[0]
        assert provider.requests[0].startswith(f"GET {FILE}?x=1 HTTP/1.1\r\n".encode())
        await client.nothing_follows()


@pytest.mark.parametrize(
    ("request_line", "given"),
    [
        (f"HEAD {FILE}", answer("200 OK", "Content-Length: 10240", 'ETag: "v1"')),
        (f"HEAD {FILE}", answer("200 OK", 'ETag: "v1"', "Transfer-Encoding: chunked")),
        (f"HEAD {FILE}", answer("404 Not Found", "Content-Length: 50")),
        ("DELETE /v1/files/file-1", answer("204 No Content", 'ETag: "v1"')),
        (f"GET {FILE}", answer("304 Not Modified", 'ETag: "v1"')),
        (f"GET {FILE}", answer("304 Not Modified", "Content-Length: 10240")),
        ("DELETE /v1/files/file-1", answer("200 OK", "Content-Length: 0")),
    ],
)
async def test_an_answer_without_a_body_has_none_and_the_connection_goes_on(
    tmp_path: Path, store_url: str, request_line: str, given: bytes
) -> None:
    async with connected(tmp_path, store_url, given) as (_, client):
        await client.ask(request_line, 'If-None-Match: "v1"')
        head = await client.head()

        assert head.split(b"\r\n")[0] == given.split(b"\r\n")[0]
        for field in given.split(b"\r\n")[1:-2]:
            if not field.startswith(b"Transfer-Encoding"):
                assert field in head
        assert b"chunked" not in head
        await client.nothing_follows()


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_the_callers_to_follow(
    tmp_path: Path, store_url: str, status: str
) -> None:
    location = "Location: https://files.example.com/a?sig=1%2F2"
    given = answer(status, location, "Content-Length: 5", body=b"moved")
    async with connected(tmp_path, store_url, given) as (provider, client):
        await client.ask(f"GET {FILE}")
        head = await client.head()

        assert head.startswith(f"HTTP/1.1 {status}\r\n".encode())
        assert f"{location}\r\n".encode() in head
        assert b"moved" == await client.body(5)
        assert 1 == len(provider.requests)
        await client.nothing_follows()


async def test_an_upload_passes_byte_for_byte(tmp_path: Path, store_url: str) -> None:
    """Also what our own reader of forms would refuse: nothing is looked at that costs nothing."""
    body = (
        b'preamble\r\n--b0\r\ncontent-disposition:form-data;name=data;filename="\xff"\r\n\r\n'
        + BINARY
        + b"\r\n--b0--\r\nepilogue"
    )
    given = answer("200 OK", "Content-Type: application/json", "Content-Length: 2", body=b"{}")
    async with connected(tmp_path, store_url, given) as (provider, client):
        kind = "Content-Type: multipart/form-data; boundary=b0"
        await client.ask("POST /v1/uploads/upload-1/parts", kind, "X-Odd:  kept ", body=body)

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"{}" == await client.body(2)
        [request] = provider.requests
        assert request.endswith(b"\r\n\r\n" + body)
        assert f"{kind}\r\n".encode() in request
        assert b"tk_" not in request


async def test_an_upload_in_chunks_arrives_with_its_length(tmp_path: Path, store_url: str) -> None:
    given = answer("200 OK", "Content-Length: 2", body=b"{}")
    async with connected(tmp_path, store_url, given) as (provider, client):
        await client.ask(
            "POST /v1/uploads/upload-1/parts",
            "Transfer-Encoding: chunked",
            "Content-Type: application/octet-stream",
        )
        client._writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BINARY), BINARY))

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"{}" == await client.body(2)
        [request] = provider.requests
        assert request.endswith(b"\r\n\r\n" + BINARY)
        assert f"content-length: {len(BINARY)}\r\n".encode() in request.lower()
