"""The pool: reuse, its bound, the one retry, TLS and base URLs. Real sockets, both event loops."""

import asyncio
import ssl
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.loops import on_every_loop
from support.raw_server import RawServer, answering

from gateway.errors import BadCall, ConfigError, UpstreamFailed, UpstreamTimeout
from gateway.proxy import pool as pool_module
from gateway.proxy.framing import field_lines
from gateway.proxy.pool import Origin, Pool, PoolSettings, provider_tls

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CLOSING = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
SETTINGS = PoolSettings(connect_timeout_s=2.0)


@asynccontextmanager
async def pool_for(server, **settings):
    pool = Pool(Origin.parse(server.url), replace(SETTINGS, **settings))
    yield pool
    await pool.close()
    assert (0, 0) == (pool.open_count, pool.idle_count)


async def ask(pool, body=b"question", method="POST"):
    fields = field_lines([(b"Host", b"h"), (b"Content-Length", b"%d" % len(body))])
    return await pool.request(method, "/x", fields=fields, body=body)


async def ask_all(pool):
    """One request, read to its end; its body."""
    answer = await ask(pool)
    got = []
    answer.relay_to(got.append)
    await answer.ended
    return b"".join(got)


async def swept_until(pool, condition):
    """Sweep as a worker would, until the condition holds."""
    while not condition():
        pool.sweep()
        await asyncio.sleep(0.01)


@on_every_loop
async def test_calls_one_after_the_other_share_a_connection():
    async with RawServer(answering(HELLO)) as server, pool_for(server) as pool:
        for _ in range(20):
            assert await ask_all(pool) == b"hello"

        assert (1, 1, 1) == (server.connections, pool.open_count, pool.idle_count)


@on_every_loop
async def test_calls_at_once_get_a_connection_each_and_leave_them_for_the_next():
    async with RawServer(answering(HELLO)) as server, pool_for(server) as pool:
        for _ in range(3):
            assert [b"hello"] * 10 == await asyncio.gather(*[ask_all(pool) for _ in range(10)])

        assert (10, 10) == (server.connections, pool.idle_count)


@on_every_loop
async def test_a_connection_is_free_again_when_its_body_is_complete_not_before():
    more = asyncio.Event()

    async def script(peer):
        while await peer.request():
            await peer.send(HELLO[:-1])
            await more.wait()
            await peer.send(HELLO[-1:])

    async with RawServer(script) as server, pool_for(server) as pool:
        answer = await ask(pool)
        assert pool.idle_count == 0
        more.set()
        await answer.ended
        assert pool.idle_count == 1


@on_every_loop
@pytest.mark.parametrize(
    "raw",
    [
        CLOSING,
        HELLO.replace(b"1.1", b"1.0"),
        HELLO + b"HTTP/1.1 200 OK\r\n",
    ],
)
async def test_a_connection_that_must_not_be_used_again_is_not(raw):
    async with RawServer(answering(raw)) as server, pool_for(server) as pool:
        for expected in (1, 2, 3):
            assert await ask_all(pool) == b"hello"
            assert (expected, 0) == (server.connections, pool.idle_count)


@on_every_loop
async def test_the_path_prefix_of_the_provider_comes_first():
    got = []

    async def script(peer):
        got.append(await peer.request())
        await peer.send(HELLO)

    async with RawServer(script) as server:
        pool = Pool(Origin.parse(f"{server.url}/openai/v1/"), SETTINGS)
        await ask_all(pool)
        await pool.close()

    assert got[0].startswith(b"POST /openai/v1/x HTTP/1.1\r\n")


@on_every_loop
async def test_a_request_that_would_split_never_leaves():
    async with RawServer(answering(HELLO)) as server, pool_for(server) as pool:
        with pytest.raises(BadCall):
            await pool.request("GET", "/a\r\nEvil: 1", fields=b"", body=b"")
        assert server.connections == 0


def closing_second_request(*, after_s=0.0, sent=b""):
    """A provider that answers once per connection, then takes a request and closes."""

    async def script(peer):
        await peer.request()
        await peer.send(HELLO)
        if await peer.request():
            await asyncio.sleep(after_s)
            await peer.send(sent)

    return script


@on_every_loop
async def test_a_reused_connection_that_dies_unanswered_is_replaced_once():
    async with RawServer(closing_second_request()) as server, pool_for(server) as pool:
        assert [b"hello"] * 4 == [await ask_all(pool) for _ in range(4)]
        assert server.connections == 4


@on_every_loop
async def test_after_a_byte_of_the_answer_nothing_is_sent_again():
    async with RawServer(closing_second_request(sent=b"H")) as server, pool_for(server) as pool:
        await ask_all(pool)
        with pytest.raises(UpstreamFailed):
            await ask_all(pool)
        assert server.connections == 1


@on_every_loop
async def test_a_provider_that_may_have_worked_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(pool_module, "STALE_WITHIN_S", 0.05)
    script = closing_second_request(after_s=0.1)
    async with RawServer(script) as server, pool_for(server) as pool:
        await ask_all(pool)
        with pytest.raises(UpstreamFailed):
            await ask_all(pool)
        assert server.connections == 1


@on_every_loop
async def test_a_fresh_connection_that_dies_is_not_replaced():
    async def script(peer):
        await peer.request()

    async with RawServer(script) as server, pool_for(server) as pool:
        with pytest.raises(UpstreamFailed):
            await ask_all(pool)
        assert server.connections == 1


@on_every_loop
async def test_the_replacement_of_a_stale_connection_is_not_replaced():
    async def script(peer):
        if server.connections == 1:
            await peer.request()
            await peer.send(HELLO)
        await peer.request()

    async with RawServer(script) as server, pool_for(server) as pool:
        await ask_all(pool)
        with pytest.raises(UpstreamFailed):
            await ask_all(pool)
        assert server.connections == 2


@on_every_loop
async def test_a_stale_connection_is_replaced_even_when_all_places_are_taken():
    async with (
        RawServer(closing_second_request()) as server,
        pool_for(server, connections_max=1) as pool,
    ):
        assert [b"hello"] * 3 == [await ask_all(pool) for _ in range(3)]


@on_every_loop
async def test_more_calls_than_places_wait_for_their_turn():
    async with (
        RawServer(answering(HELLO)) as server,
        pool_for(server, connections_max=3) as pool,
    ):
        assert [b"hello"] * 50 == await asyncio.gather(*[ask_all(pool) for _ in range(50)])
        assert (3, 3) == (server.connections, pool.open_count)


@on_every_loop
async def test_waiting_calls_get_the_places_of_connections_that_closed():
    async with (
        RawServer(answering(CLOSING)) as server,
        pool_for(server, connections_max=2) as pool,
    ):
        assert [b"hello"] * 20 == await asyncio.gather(*[ask_all(pool) for _ in range(20)])
        assert server.connections == 20


@on_every_loop
async def test_waiting_for_a_place_is_bounded():
    async def script(peer):
        await peer.request()
        await peer.gone()

    async with (
        RawServer(script) as server,
        pool_for(server, connections_max=1, connect_timeout_s=0.05) as pool,
    ):
        running = asyncio.ensure_future(ask(pool))
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.gather(asyncio.sleep(0), ask(pool))
        assert caught.value.code == "upstream_busy"
        running.cancel()
        await asyncio.wait([running])


@on_every_loop
@pytest.mark.parametrize("raw", [HELLO, CLOSING])
async def test_calls_that_give_up_waiting_leave_every_place_usable(raw):
    async with (
        RawServer(answering(raw)) as server,
        pool_for(server, connections_max=2) as pool,
    ):
        for turns in range(25):
            calls = [asyncio.ensure_future(ask_all(pool)) for _ in range(8)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            await asyncio.wait(calls)
            assert {b"hello"} == {call.result() for call in calls[1::2]}
        assert pool._connecting == 0
        assert not pool._waiters


@on_every_loop
async def test_calls_cancelled_while_connecting_leave_no_socket_behind():
    async with RawServer(answering(HELLO)) as server, pool_for(server) as pool:
        for turns in range(8):
            call = asyncio.ensure_future(ask(pool))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await asyncio.sleep(0.01)
            assert pool.open_count == pool.idle_count


@on_every_loop
async def test_idle_connections_are_closed_after_their_time():
    async with (
        RawServer(answering(HELLO)) as server,
        pool_for(server, keepalive_s=0.05) as pool,
    ):
        await asyncio.gather(ask_all(pool), ask_all(pool))
        assert pool.idle_count == 2
        await swept_until(pool, lambda: pool.open_count == 0)
        assert await ask_all(pool) == b"hello"
        assert server.connections == 3


@on_every_loop
async def test_sweeping_leaves_young_idle_connections_alone():
    async with RawServer(answering(HELLO)) as server, pool_for(server) as pool:
        await ask_all(pool)
        for _ in range(5):
            pool.sweep()
            await asyncio.sleep(0)
        assert pool.idle_count == 1


@on_every_loop
async def test_closing_breaks_off_what_runs_waits_or_comes_later():
    async def script(peer):
        await peer.request()
        await peer.gone()

    async with RawServer(script) as server:
        pool = Pool(Origin.parse(server.url), replace(SETTINGS, connections_max=1))
        calls = [asyncio.ensure_future(ask(pool)) for _ in range(2)]
        await asyncio.sleep(0.05)
        await pool.close()

        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [UpstreamFailed] * 2 == [type(outcome) for outcome in outcomes]
        with pytest.raises(UpstreamFailed):
            await ask(pool)
        assert pool.open_count == 0


@on_every_loop
async def test_a_connection_that_comes_after_closing_is_dropped():
    async with RawServer(answering(HELLO)) as server:
        pool = Pool(Origin.parse(server.url), SETTINGS)
        call = asyncio.ensure_future(ask(pool))
        await asyncio.sleep(0)
        await pool.close()

        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        assert type(outcome) is UpstreamFailed
        await asyncio.sleep(0.02)
        assert pool.open_count == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-made certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *names.split(), *files], check=True, capture_output=True)
    return cert, key


def serving_tls(certificate, seen):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda _, name, __: seen.append(name)
    return context


@on_every_loop
async def test_over_tls_name_and_protocol_are_asked_for_and_connections_reused(certificate):
    seen = []
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    tls = serving_tls(certificate, seen)
    async with (
        RawServer(answering(large), tls=tls) as server,
        pool_for(server, tls=provider_tls(str(certificate[0]))) as pool,
    ):
        for _ in range(3):
            assert len(await ask_all(pool)) == 300_000
        (connection,) = pool._open
        handshake = connection._transport.get_extra_info("ssl_object")
        assert handshake.selected_alpn_protocol() == "http/1.1"
        assert (["localhost"], 1) == (seen, server.connections)


@on_every_loop
async def test_a_certificate_nobody_vouches_for_is_refused(certificate):
    async with (
        RawServer(answering(HELLO), tls=serving_tls(certificate, [])) as server,
        pool_for(server) as pool,
    ):
        with pytest.raises(UpstreamFailed, match="certificate"):
            await ask(pool)


@on_every_loop
async def test_a_certificate_for_another_name_is_refused(certificate):
    async with RawServer(answering(HELLO), tls=serving_tls(certificate, [])) as server:
        origin = Origin(scheme="https", host="127.0.0.1", port=server.port)
        pool = Pool(origin, replace(SETTINGS, tls=provider_tls(str(certificate[0]))))
        with pytest.raises(UpstreamFailed, match="certificate"):
            await ask(pool)
        await pool.close()


@pytest.mark.parametrize(
    ("url", "parts", "authority"),
    [
        ("https://api.openai.com", ("https", "api.openai.com", 443, ""), b"api.openai.com"),
        ("https://api.x.com:443/", ("https", "api.x.com", 443, ""), b"api.x.com"),
        ("http://localhost:8080/v1/", ("http", "localhost", 8080, "/v1"), b"localhost:8080"),
        ("http://[::1]:8080", ("http", "::1", 8080, ""), b"[::1]:8080"),
        ("http://[::1]", ("http", "::1", 80, ""), b"[::1]"),
        (
            "https://bücher.example/a",
            ("https", "bücher.example", 443, "/a"),
            b"xn--bcher-kva.example",
        ),
    ],
)
def test_a_base_url_is_an_origin_and_a_prefix(url, parts, authority):
    origin = Origin.parse(url)

    assert parts == (origin.scheme, origin.host, origin.port, origin.path_prefix)
    assert authority == origin.authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "ftp://host",
        "https://",
        "https://host:99999",
        "https://host:x",
        "https://user:pass@host",
        "https://host/?a=b",
        "https://host/#a",
        f"https://{'a' * 64}.com",
        "http://[::1",
    ],
)
def test_anything_else_is_no_base_url(url):
    with pytest.raises(ConfigError):
        Origin.parse(url)
