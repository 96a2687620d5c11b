"""Opening a realtime session: held, connected, upgraded, then left to `realtime.py`.

Whatever is refused is refused before the upgrade, as an ordinary answer.
"""

from collections.abc import Mapping
from urllib.parse import quote_plus, unquote_plus

from gateway.dialects import SESSIONS
from gateway.dialects.base import Api, Request
from gateway.dialects.endpoints import Match
from gateway.dialects.keys import socket_protocols
from gateway.errors import BadCall, UnknownEndpoint
from gateway.metering.accounts import Caller
from gateway.proxy.headers import REQUEST_ID, request_headers
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.providers import Provider
from gateway.proxy.realtime import Metering, RealtimeSession, Talk
from gateway.proxy.running import RunningCalls
from gateway.proxy.seams import Exchange, Incoming

# Where a model stands in the query: OpenAI's name for it, and Azure's.
MODEL_PARAMETERS = ("model", "deployment")


class Sessions:
    def __init__(
        self,
        metering: Metering,
        *,
        apis: Mapping[str, Api],
        providers: Mapping[str, Provider],
        default_providers: Mapping[str, str],
        running: RunningCalls,
        observation: Observation,
    ) -> None:
        self._metering = metering
        self._apis = apis
        self._providers = providers
        self._default_providers = default_providers
        self._running = running
        self._observation = observation

    async def serve(self, exchange: Exchange, matched: Match, caller: Caller) -> None:
        """Raises GatewayError for whatever is refused before the upgrade."""
        request, trace = exchange.request, exchange.trace
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadCall("This path opens a WebSocket: send the upgrade with the request.")
        dialect = SESSIONS[matched.endpoint.dialect]
        call = dialect.read_call(
            Request(body=b"", path=request.path, segments=matched.segments, query=request.query)
        )
        trace.model = call.model
        session = RealtimeSession(
            Talk(
                caller=caller,
                api=self._apis[matched.endpoint.api],
                dialect=dialect,
                model=call.model,
                trace=trace,
            ),
            self._metering,
        )
        try:
            ahead = await session.hold_ahead()
            if ahead is None:
                provider, model = self._default(matched.endpoint.api), ""
            else:
                ticket = ahead.hold.ticket
                provider, model = self._providers[ticket.provider], ticket.model
            trace.provider = provider.name
            await self._relay(exchange, session, provider, model=model)
        finally:
            session.release()

    async def _relay(
        self,
        exchange: Exchange,
        session: RealtimeSession,
        provider: Provider,
        *,
        model: str,
    ) -> None:
        request, trace = exchange.request, exchange.trace
        request_id = trace.request_id.encode()
        target = realtime_target(request, model=model)
        headers = request_headers(
            request.raw_headers,
            host=provider.host,
            credential=await provider.credential(
                "GET", target, b"", now_s=self._metering.now_ms() / 1000
            ),
            body_bytes=0,
            request_id=request_id,
            identity_only=False,
        )
        socket, protocol = await provider.sockets.connect(
            target, headers=headers, protocols=socket_protocols(request.headers)
        )
        client = await exchange.downstream.accept_socket(
            protocol=protocol, headers=[(REQUEST_ID, request_id)]
        )
        trace.status = 101
        self._running.add(session)
        try:
            await session.run(client, socket)
        finally:
            self._running.discard(session)
            trace.relayed_bytes = session.relayed_bytes
            self._observation.passed(trace, duration_s=elapsed_s(trace))

    def _default(self, api: str) -> Provider:
        if api not in self._default_providers:
            raise UnknownEndpoint(f"No provider of this gateway has the {api} API.")
        return self._providers[self._default_providers[api]]


def realtime_target(request: Incoming, *, model: str) -> str:
    """Path and query for the provider: its own name for the model, and no virtual key."""
    kept = []
    for part in request.query_string.split("&"):
        # Decoded, because that is how a key is found there: `k%65y=` is one as well.
        name = unquote_plus(part.partition("=")[0])
        if name in MODEL_PARAMETERS and model:
            kept.append(f"{name}={quote_plus(model)}")
        elif name != "key" and part:
            kept.append(part)
    return f"{request.path}?{'&'.join(kept)}"
