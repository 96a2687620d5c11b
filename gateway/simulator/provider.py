"""The simulated provider as a server: vendors' paths, headers and errors, and faults on request.

Each family of paths has a file of its own with its `ROUTES`; of chat completions, what an answer
says is decided in `chat`, how it looks in `wire`. How anything is sent is `sending`'s business.
Every request stands in the journal with what really went out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator import (
    anthropic,
    anthropic_batches,
    audio,
    batches,
    bedrock,
    completions,
    embeddings,
    fine_tuning,
    gemini,
    gemini_jobs,
    gemini_more,
    images,
    realtime,
    rerank,
    responses,
    stored,
    transcription,
)
from gateway.simulator.chat import CountTokens, RefusedRequest, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Departure, Entry, Journal
from gateway.simulator.script import Script, read_script
from gateway.simulator.sending import BrokenOff, answer_headers, send_document, send_stream
from gateway.simulator.shelf import Shelf
from gateway.simulator.vendor import AZURE
from gateway.simulator.wire import document, events

SCRIPT_HEADER = "x-simulate"
ENTRY: web.RequestKey[Entry] = web.RequestKey("entry")
MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini")
# Without a tokenizer: OpenAI's rule of thumb for English.
CHARS_PER_TOKEN = 4
AppHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SimulatedProvider:
    """`script` is how every request is answered unless its `x-simulate` header says otherwise.

    With an `api_key` any other credential is refused; without, any bearer token is welcome.
    `count` makes prompt and tool tokens true; completion text is counted exactly without it.
    """

    def __init__(
        self,
        *,
        script: Script | None = None,
        api_key: str | None = None,
        models: tuple[str, ...] = MODELS,
        count: CountTokens = lambda text: -(-len(text) // CHARS_PER_TOKEN),
    ) -> None:
        self.script = script or Script()
        self.journal = Journal()
        self.shelf = Shelf()
        self._api_key = api_key
        self._models = models
        self._count = count
        self._runner: web.AppRunner | None = None

    def app(self) -> web.Application:
        # Long prompts are the point of some tests: no bound but memory.
        app = web.Application(middlewares=[self._journalled], client_max_size=0)
        for route in (*ROUTES, Route("GET", "/v1/models", self._list_models)):
            app.router.add_route(route.method, route.path, self._shared(route))
        app.router.add_get("/_simulator/journal", self._show_journal)
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; answers the port, chosen by the system if 0. A client that leaves cancels
        its handler at once, also while the answer is being delayed."""
        self._runner = web.AppRunner(
            self.app(),
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=0.5,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _journalled(self, request: web.Request, handler: AppHandler) -> web.StreamResponse:
        if request.path.startswith("/_simulator/"):
            return await handler(request)
        loop = asyncio.get_running_loop()
        entry = Entry(
            request_id=f"req_{self.journal.total:032x}",
            path=request.path_qs,
            headers=request.headers,
            body=await request.read(),
            began_s=loop.time(),
        )
        request[ENTRY] = entry
        self.journal.begin(entry)
        departure = Departure.CLIENT_LEFT
        try:
            response = await handler(request)
            departure = Departure.COMPLETED
        except BrokenOff:
            departure = Departure.BROKEN_OFF
            # The connection is closed already; aiohttp wants an answer to throw away.
            return web.Response(status=500)
        finally:
            self.journal.end(entry, departure, now_s=loop.time())
        return response

    def _shared(self, route: Route) -> AppHandler:
        """The route, or another vendor's at the same path."""
        own = self._answering(route)
        shared = SHARED.get((route.method, route.path), {})
        others = {header: self._answering(other) for header, other in shared.items()}

        async def answer(request: web.Request) -> web.StreamResponse:
            asked = (other for header, other in others.items() if header in request.headers)
            return await next(asked, own)(request)

        return answer

    def _answering(self, route: Route) -> AppHandler:
        async def answer(request: web.Request) -> web.StreamResponse:
            entry, vendor = request[ENTRY], route.vendor
            try:
                vendor.let_in(request.headers, api_key=self._api_key)
                return await route.handler(
                    Exchange(
                        request=request,
                        entry=entry,
                        script=self._script_for(request),
                        count=self._count,
                        changed=self.journal.changed,
                        vendor=vendor,
                        shelf=self.shelf,
                    )
                )
            except RefusedRequest as refused:
                entry.status = refused.status
                headers = answer_headers(vendor, entry) | vendor.error_headers(refused)
                if refused.retry_after:
                    headers["retry-after"] = str(refused.retry_after)
                return web.Response(
                    status=refused.status,
                    headers=headers,
                    body=vendor.error_document(refused, entry),
                )

        return answer

    def _script_for(self, request: web.Request) -> Script:
        try:
            return read_script(request.headers.get(SCRIPT_HEADER, ""), defaults=self.script)
        except ValueError as error:
            raise RefusedRequest(str(error), param=SCRIPT_HEADER) from error

    async def _list_models(self, exchange: Exchange) -> web.Response:
        models = [
            {"id": model, "object": "model", "created": 1_760_000_000, "owned_by": "simulator"}
            for model in self._models
        ]
        body = orjson.dumps({"object": "list", "data": models})
        return web.Response(headers=answer_headers(exchange.vendor, exchange.entry), body=body)

    async def _show_journal(self, _request: web.Request) -> web.Response:
        entries = [entry.public() for entry in self.journal.entries]
        body = orjson.dumps({"total": self.journal.total, "entries": entries})
        return web.Response(headers={"Content-Type": "application/json"}, body=body)


async def _chat(exchange: Exchange) -> web.StreamResponse:
    entry = exchange.entry
    answer = answer_chat(
        exchange.document(),
        script=exchange.script,
        count=exchange.count,
        created_s=int(datetime.now(UTC).timestamp()),
    )
    entry.prompt_tokens = answer.prompt_tokens
    entry.texts = [""] * len(answer.choices)
    await exchange.ready()
    if answer.stream:
        return await send_stream(exchange, events(answer))

    def produced(entry: Entry) -> None:
        for index, choice in enumerate(answer.choices):
            entry.produced(tokens=choice.tokens, text=choice.text, choice=index)

    return await send_document(exchange, document(answer), produced=produced)


ROUTES = (
    Route("POST", "/v1/chat/completions", _chat),
    Route("POST", "/openai/deployments/{model}/chat/completions", _chat, AZURE),
    *completions.ROUTES,
    *audio.ROUTES,
    *embeddings.ROUTES,
    *images.ROUTES,
    *anthropic.ROUTES,
    *bedrock.ROUTES,
    *realtime.ROUTES,
    *rerank.ROUTES,
    *stored.ROUTES,
    *transcription.ROUTES,
    *gemini.ROUTES,
    *gemini_jobs.ROUTES,
    *gemini_more.ROUTES,
    *responses.ROUTES,
    *batches.ROUTES,
    *anthropic_batches.ROUTES,
    *fine_tuning.ROUTES,
)

GOOGLE = "x-goog-api-key"
SHARED: Mapping[tuple[str, str], Mapping[str, Route]] = {
    ("GET", "/v1/models"): {
        "anthropic-version": anthropic.LIST_MODELS,
        GOOGLE: gemini.LIST_MODELS,
    },
    ("GET", "/v1/batches"): {GOOGLE: gemini_jobs.LIST_BATCHES},
    ("GET", "/v1/batches/{batch_id}"): {GOOGLE: gemini_jobs.GET_BATCH},
}
"""OpenAI's paths that are another vendor's as well, by what only its clients send."""
