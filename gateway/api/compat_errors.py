"""Errors at the paths that other vendors' clients poll: in OpenAI's envelope, which they read."""

import math

import orjson
from aiohttp import web

from gateway.errors import GatewayError


def response(error: GatewayError, *, request_id: str) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    headers["x-request-id"] = request_id
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
    told = {
        "message": error.message,
        "type": error.code,
        "param": error.details.get("param"),
        "code": error.code,
    }
    return web.Response(status=error.status, headers=headers, body=orjson.dumps({"error": told}))
