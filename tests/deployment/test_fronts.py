"""The proxies we tell people to put in front: streams pass as they come, sessions too."""

import asyncio
import contextlib
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from support.gateways import TestGateway, free_port, post_chat, running_gateway
from support.redis_forms import Servers
from support.texts import reworded

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent


@pytest.fixture
def store_url(store_servers: Servers) -> str:
    return store_servers.emptied("redis").url


def nginx(folder: Path, port: int, gateway_port: int) -> list[str]:
    make_certificate(folder)
    places = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "server 127.0.0.1:8080": f"server 127.0.0.1:{gateway_port}",
        "/etc/tollkeeper/tls/": f"{folder}/",
    }
    text = (DEPLOY / "nginx" / "tollkeeper.conf").read_text()
    (folder / "site.conf").write_text(reworded(text, places.items()))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events {}\n"
        f"http {{ client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"include {folder}/site.conf; }}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", "nginx.conf"]


def caddy(folder: Path, port: int, gateway_port: int) -> list[str]:
    places = {
        "llm.example.com": f"https://localhost:{port}",
        "127.0.0.1:8080": f"127.0.0.1:{gateway_port}",
    }
    text = reworded((DEPLOY / "caddy" / "Caddyfile").read_text(), places.items())
    options = (
        "{\n\tadmin off\n\tskip_install_trust\n\tlocal_certs\n\tauto_https disable_redirects\n"
        f"\tstorage file_system {folder}/caddy\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + text)
    return [str(BIN / "caddy"), "run", "--config", str(folder / "Caddyfile")]


def make_certificate(folder: Path) -> None:
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
        f"-keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)


@asynccontextmanager
async def fronted(
    folder: Path, store_url: str, front: str
) -> AsyncIterator[tuple[TestGateway, str, aiohttp.ClientSession]]:
    """A gateway, and the origin of the front before it."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with running_gateway(folder / "gateway", store_url) as tk:
        port = free_port()
        home = folder / front
        home.mkdir()
        command = {"nginx": nginx, "caddy": caddy}[front](home, port, tk.gateway.port)
        with (home / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        connector = aiohttp.TCPConnector(ssl=trusting)
        try:
            async with aiohttp.ClientSession(connector=connector) as http:
                origin = f"https://localhost:{port}"
                await answering(http, origin, home)
                yield tk, origin, http
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def answering(http: aiohttp.ClientSession, origin: str, home: Path) -> None:
    try:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{origin}/v1/models") as answer:
                        assert 401 == answer.status
                        return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError((home / "log").read_text()) from None


@pytest.mark.parametrize("front", ["nginx", "caddy"])
async def test_an_event_passes_before_the_stream_has_ended(
    tmp_path: Path, store_url: str, front: str
) -> None:
    async with fronted(tmp_path, store_url, front) as (tk, origin, http):
        headers = {"Authorization": f"Bearer {tk.key}", "x-simulate": "tokens=300,delay_ms=10"}
        async with post_chat(http, f"{origin}/v1", headers=headers, stream=True) as answer:
            first = await answer.content.readuntil(b"\n\n")
            assert 1 == (await tk.balance()).live_holds
            rest = await answer.content.read()
        assert first.startswith(b"data: ")
        assert rest.endswith(b"data: [DONE]\n\n")
        await tk.assert_books_balance()


@pytest.mark.parametrize("front", ["nginx", "caddy"])
async def test_large_bodies_and_realtime_sessions_pass(
    tmp_path: Path, store_url: str, front: str
) -> None:
    async with fronted(tmp_path, store_url, front) as (tk, origin, http):
        headers = {"Authorization": f"Bearer {tk.key}"}
        text = "A long story. " * 15_000
        messages = [{"role": "user", "content": text}]
        async with post_chat(http, f"{origin}/v1", headers=headers, messages=messages) as answer:
            assert 200 == answer.status, await answer.text()
        socket_url = f"{origin}/v1/realtime?model=gpt-realtime"
        async with http.ws_connect(socket_url, headers=headers) as session:
            assert "session.created" == (await session.receive_json())["type"]
        await tk.assert_books_balance()


def test_caddys_own_validation_finds_nothing_wrong() -> None:
    command = [BIN / "caddy", "validate", "--config", DEPLOY / "caddy" / "Caddyfile"]
    found = subprocess.run(
        [*command, "--adapter", "caddyfile"], capture_output=True, text=True, check=False
    )
    assert 0 == found.returncode, found.stderr
    assert not re.search('"level":"(warn|error)"', found.stderr), found.stderr
