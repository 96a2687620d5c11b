"""The bare proxy a Python team would write first: aiohttp on both sides, no metering.

Best practice, so that the comparison is fair: one ClientSession, unlimited pool, no access log,
no decompression, bodies passed as bytes, streams piece by piece, uvloop.

    python bare_aiohttp.py PORT UPSTREAM_URL [CERTIFICATE]
"""

import asyncio
import signal
import ssl
import sys
from collections.abc import Mapping

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length")
)


class BareProxy:
    def __init__(self, session: ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = passed_on(request.headers)
        del headers["Host"]
        async with self._session.request(
            request.method, self._base_url + request.path_qs, headers=headers, data=body
        ) as answer:
            if "Content-Length" in answer.headers:
                return web.Response(
                    status=answer.status,
                    headers=passed_on(answer.headers),
                    body=await answer.read(),
                )
            response = web.StreamResponse(status=answer.status, headers=passed_on(answer.headers))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP
    )


async def terminated() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


async def main(port: int, upstream_url: str, certificate: str | None = None) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    connector = TCPConnector(limit=0, keepalive_timeout=60, ssl=trusted)
    async with ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=5, sock_read=60),
    ) as session:
        proxy = BareProxy(session, upstream_url)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
            await terminated()
        finally:
            await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:]))
