"""One request to the simulated provider, as the handlers of its routes see it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
import orjson
from aiohttp import web

from gateway.simulator.chat import CountTokens, RefusedRequest
from gateway.simulator.journal import Entry
from gateway.simulator.script import Script
from gateway.simulator.shelf import Shelf
from gateway.simulator.vendor import OPENAI, Vendor

# Statuses whose error objects the real API fills differently.
ERROR_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Of a form. `filename` is None for what is no file."""

    name: str
    filename: str | None
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """`changed` is to be called when something more of the answer is out and in the journal."""

    request: web.Request
    entry: Entry
    script: Script
    count: CountTokens
    changed: Callable[[], None]
    vendor: Vendor
    shelf: Shelf

    def document(self) -> dict[str, object]:
        """The body as a JSON object; its model and whether it streams go into the journal."""
        try:
            document = orjson.loads(self.entry.body)
        except orjson.JSONDecodeError as error:
            raise RefusedRequest(
                "We could not parse the JSON body of your request. (HINT: This likely means you "
                "aren't using your HTTP library correctly.)"
            ) from error
        if not isinstance(document, dict):
            raise RefusedRequest("Invalid type for the body: expected an object.")
        self.entry.model = str(document.get("model", ""))
        self.entry.stream = document.get("stream") is True
        return document

    async def form(self) -> list[Part]:
        """The parts of the body, which is a form; its model and whether it streams go into the
        journal."""
        stream = aiohttp.StreamReader(self.request.protocol, max(1, len(self.entry.body)))
        stream.feed_data(self.entry.body)
        stream.feed_eof()
        reader = aiohttp.MultipartReader(self.request.headers, stream)
        parts: list[Part] = []
        while (part := await reader.next()) is not None:
            if isinstance(part, aiohttp.BodyPartReader):
                parts.append(Part(part.name or "", part.filename, bytes(await part.read())))
        self.entry.model = text_in(parts, "model")
        self.entry.stream = text_in(parts, "stream") == "true"
        return parts

    async def ready(self) -> None:
        """Let the time pass that the script wants to pass first, or refuse if it says so."""
        await asyncio.sleep(self.script.first_delay_ms / 1000)
        if self.script.status:
            kind, code = ERROR_KINDS.get(self.script.status, ("server_error", None))
            raise RefusedRequest(
                "The simulator was asked to fail.",
                status=self.script.status,
                kind=kind,
                code=code,
                retry_after=self.script.retry_after,
            )


def text_in(parts: Sequence[Part], name: str) -> str:
    """The first value of that name; empty without one."""
    return next((part.value.decode() for part in parts if part.name == name), "")


Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path as aiohttp writes patterns, who answers there, and whose door it is."""

    method: str
    path: str
    handler: Handler
    vendor: Vendor = OPENAI
