"""The edge: aiohttp in front, a request id on everything, exceptions into answers.

The only place where an error becomes bytes, in the dialect of whoever called.
"""

import os
from collections.abc import Mapping
from random import Random
from time import monotonic
from typing import cast

from aiohttp import web

from gateway.dialects.base import Api
from gateway.errors import ClientLeft, GatewayError
from gateway.proxy.downstream import ClientRequest, ClientResponse
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.seams import Exchange
from gateway.proxy.slow_heads import SlowHeads
from gateway.proxy.trace import Trace

REQUEST_ID_BITS = 96


class ProxyHandler:
    """What aiohttp calls for each request."""

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
        """`default_api` words the errors of requests that match no endpoint."""
        self._pipeline = pipeline
        self._observation = observation
        self._apis = apis
        self._default_api = default_api
        self._slow_heads = slow_heads
        self._body_timeout_s = body_timeout_s
        # An id must be unique, not secret. Seeded here, in the worker, not before it is forked.
        self._draw = Random(os.urandom(32)).getrandbits  # noqa: S311  see above

    def spoke(self, request: web.BaseRequest) -> None:
        """A whole request head came, whoever answers it."""
        self._slow_heads.spoke(request.protocol)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        trace = Trace(
            request_id=f"req_{self._draw(REQUEST_ID_BITS):024x}",
            started_s=monotonic(),
        )
        self.spoke(request)
        response = ClientResponse(request)
        incoming = ClientRequest(request, body_timeout_s=self._body_timeout_s)
        try:
            await self._pipeline.run(Exchange(incoming, response, trace))
        except GatewayError as error:
            self._refuse(error, response, trace)
        except Exception as fault:  # noqa: BLE001  the edge: whatever happened, the client gets an answer
            self._observation.fault("call", fault)
            self._refuse(
                GatewayError(
                    "Something failed inside the gateway; it was logged with this request's id. "
                    "Nothing of this call was charged unless an answer had begun.",
                ),
                response,
                trace,
            )
        # Duck-typed on purpose: the answer is already out (see `downstream`).
        return cast(web.StreamResponse, response.sent)

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
            response.begin(rendered.status, REASONS.get(rendered.status, ""), headers=headers)
            response.write(rendered.body)
            response.finish()
        self._observation.refused(trace, error, duration_s=elapsed_s(trace))


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
