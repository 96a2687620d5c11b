"""The edge: aiohttp in front, a request id on everything, exceptions into answers.

The only place where an error becomes bytes, in the dialect of whoever called.
"""

import os
from collections.abc import Mapping
from functools import partial
from random import Random
from time import monotonic
from typing import cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from gateway.dialects.base import Api
from gateway.errors import BadCall, ClientLeft, GatewayError
from gateway.proxy.downstream import (
    SENT_CLOSE,
    SENT_KEEP,
    ClientRequest,
    ClientResponse,
    Link,
)
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.plain import PlainConnection, PlainRequest
from gateway.proxy.response_head import lines_of
from gateway.proxy.seams import Exchange, Incoming
from gateway.proxy.slow_heads import SlowHeads
from gateway.proxy.trace import Trace
from gateway.proxy.websocket import accept

REQUEST_ID_BITS = 96
FAILED = (
    "Something failed inside the gateway; it was logged with this request's id. Nothing of this "
    "call was charged unless an answer had begun."
)
# Quotes nothing: what could not be read may hold a key.
MALFORMED = (
    "The request is no HTTP/1.1 that can be read in one way only, or a line of its head is longer "
    "than 8 KiB, or it has more than 128 header fields. Check the client and what is in between."
)


class ProxyHandler:
    """What is called for each request of a caller's."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        observation: Observation,
        apis: Mapping[str, Api],
        default_api: Api,
        slow_heads: SlowHeads,
        body_timeout_s: float,
    ) -> None:
        """`default_api` words the errors of requests that match no endpoint.

        `leaving`: whether each answer is the last on its connection.
        """
        self._pipeline = pipeline
        self._observation = observation
        self._apis = apis
        self._default_api = default_api
        self._slow_heads = slow_heads
        self._body_timeout_s = body_timeout_s
        self.leaving = False
        # An id must be unique, not secret. Seeded here, in the worker, not before it is forked.
        self._draw = Random(os.urandom(32)).getrandbits  # noqa: S311  see above

    def spoke(self, request: web.BaseRequest) -> None:
        """A whole request head came, whoever answers it."""
        self._slow_heads.spoke(request.protocol)

    def malformed(self, request: web.BaseRequest, *, ours: bool) -> web.StreamResponse:
        """The answer to what is no request, or if `ours` met a bug before it was a call."""
        return self.refused(request, GatewayError(FAILED) if ours else BadCall(MALFORMED))

    def refused(self, request: web.BaseRequest, error: GatewayError) -> web.StreamResponse:
        """The answer to what never becomes a call; the last on its connection."""
        self.spoke(request)
        response = _response(request, keep_alive=False)
        self._refuse(error, response, self._trace())
        return _sent(response)

    def _trace(self) -> Trace:
        return Trace(request_id=f"req_{self._draw(REQUEST_ID_BITS):024x}", started_s=monotonic())

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.spoke(request)
        response = _response(request, keep_alive=request.keep_alive and not self.leaving)
        await self._serve(ClientRequest(request, body_timeout_s=self._body_timeout_s), response)
        return _sent(response)

    async def handle_plain(self, request: PlainRequest, connection: PlainConnection) -> bool:
        """Whether another request may follow. Whatever happens, it raises nothing."""
        response = ClientResponse(connection, keep_alive=not self.leaving)
        await self._serve(request, response)
        return response.keeps_open

    async def _serve(self, request: Incoming, response: ClientResponse) -> None:
        trace = self._trace()
        self._observation.came(trace, request.headers)
        try:
            await self._pipeline.run(Exchange(request, response, trace))
        except GatewayError as error:
            self._refuse(error, response, trace)
        except Exception as fault:  # noqa: BLE001  the edge: whatever happened, the client gets an answer
            self._observation.fault("call", fault)
            self._refuse(
                GatewayError(FAILED),
                response,
                trace,
            )

    def _refuse(self, error: GatewayError, response: ClientResponse, trace: Trace) -> None:
        if response.began:
            response.break_off()
        elif not isinstance(error, ClientLeft):
            api = self._apis.get(trace.api, self._default_api)
            rendered = api.render_error(error, request_id=trace.request_id)
            trace.status = rendered.status
            headers = [
                (name.encode(), value.encode("latin-1", "replace"))
                for name, value in rendered.headers.items()
            ]
            headers += error.headers
            headers += [
                (b"Content-Length", b"%d" % len(rendered.body)),
                (b"x-tollkeeper-request-id", trace.request_id.encode()),
            ]
            reason = REASONS.get(rendered.status, "")
            response.begin(rendered.status, reason, lines_of(headers), framed=True)
            response.write(rendered.body)
            response.finish()
        self._observation.refused(trace, error, duration_s=elapsed_s(trace))


def _response(request: web.BaseRequest, *, keep_alive: bool) -> ClientResponse:
    return ClientResponse(
        cast(Link, request.protocol),
        keep_alive=keep_alive,
        head_only=request.method == "HEAD",
        old=request.version < HttpVersion11,
        accept=partial(accept, request),
    )


def _sent(response: ClientResponse) -> web.StreamResponse:
    # Duck-typed on purpose: the answer is already out (see `downstream`).
    return cast(web.StreamResponse, SENT_KEEP if response.keeps_open else SENT_CLOSE)


REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Site Is Overloaded",
}
