"""WebSockets on aiohttp: the client's side accepted, the provider's side opened.

Frames pass as whole messages, uncompressed, so that a message is what the other side sent as one.
Pings are answered on each side by itself; a peer that stops answering ours is gone.
"""

import asyncio
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.proxy.seams import Frame, RawHeaders, Socket

# An event with a picture or some seconds of audio stays below; OpenAI's own bound is 15 MiB.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
# Peers behind a NAT or a balancer are kept alive, and dead ones noticed, by pings this far apart.
HEARTBEAT_S = 30.0
# A peer may stop reading this long before it counts as gone.
SEND_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0
NORMAL_CLOSURE = 1000
# What a close frame may carry beside its code (RFC 6455 §5.5).
REASON_BYTES_MAX = 123
# The handshake's own fields are made anew for the other side.
_HANDSHAKE = (b"sec-websocket-", b"host", b"content-length", b"accept-encoding", b"content-type")


class AiohttpSocket:
    """Implements `seams.Socket` on either side."""

    __slots__ = ("_socket",)

    def __init__(self, socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> Frame | None:
        message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: Frame = message.data
            return data
        return None

    async def send(self, frame: Frame) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
        except TimeoutError:
            await self.close(code=NORMAL_CLOSURE)
        except (ConnectionError, RuntimeError):
            # Closed or closing: the receiving side sees it.
            return

    async def close(self, *, code: int, reason: str = "") -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(code=code, message=reason.encode()[:REASON_BYTES_MAX])
        except (TimeoutError, ConnectionError, RuntimeError):
            return

    @property
    def close_code(self) -> int:
        return self._socket.close_code or NORMAL_CLOSURE


async def accept(request: web.BaseRequest, *, protocol: str, headers: RawHeaders) -> Socket:
    """Upgrade the client's request; `protocol` is the subprotocol to agree on, "" for none."""
    socket = web.WebSocketResponse(
        timeout=CLOSE_TIMEOUT_S,
        heartbeat=HEARTBEAT_S,
        protocols=(protocol,) if protocol else (),
        compress=False,
        max_msg_size=MESSAGE_BYTES_MAX,
    )
    for name, value in headers:
        socket.headers[name.decode("latin-1")] = value.decode("latin-1")
    await socket.prepare(request)
    return AiohttpSocket(socket)


class SocketConnector:
    """Opens WebSockets to one provider. `session` is shared by all and closed by its owner."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        connect_timeout_s: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._session = session
        self._base_url = base_url
        self._connect_timeout_s = connect_timeout_s
        self._tls: ssl.SSLContext | bool = True if tls is None else tls

    async def connect(
        self, target: str, *, headers: RawHeaders, protocols: Sequence[str]
    ) -> tuple[Socket, str]:
        fields = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in headers
            if not name.lower().startswith(_HANDSHAKE)
        )
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                socket = await self._session.ws_connect(
                    f"{self._base_url}{target}",
                    headers=fields,
                    protocols=protocols,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                    ssl=self._tls,
                )
        except TimeoutError as error:
            raise UpstreamTimeout("The provider did not open the WebSocket in time.") from error
        except aiohttp.WSServerHandshakeError as error:
            raise UpstreamFailed(
                f"The provider refused to open the WebSocket: it answered with status "
                f"{error.status}. Check the model and what this API asks for in the request."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFailed("The provider could not be reached. Try again.") from error
        return AiohttpSocket(socket), socket.protocol or ""
