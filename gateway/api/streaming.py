"""Sends an answer that goes on, to a client that reads it."""

import asyncio
from contextlib import aclosing

from aiohttp import web

from gateway.api.operation import EventStream
from gateway.errors import GatewayError

# Who takes nothing for so long, with its socket's buffers full, does not read.
WRITE_TIMEOUT_S = 10.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # nginx would collect the events otherwise.
    "X-Accel-Buffering": "no",
}


async def streamed(
    stream: EventStream, request: web.BaseRequest, *, request_id: str
) -> web.StreamResponse:
    """Until the stream ends, or its reader leaves, reads too slowly, or the store goes away: it
    then asks again, with the last id it saw."""
    response = web.StreamResponse(headers={**HEADERS, "x-tollkeeper-request-id": request_id})
    async with aclosing(stream.parts) as parts:
        try:
            await response.prepare(request)
            async for part in parts:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await response.write(part)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass
        except GatewayError:
            # The status is out: an end without an `end` says that something broke.
            response.force_close()
    return response
