"""Calls that are not charged: authenticated and passed on, while others look at what passes.

An answer may tell of a job that another call began, or create an object that later calls build on.
"""

from collections.abc import Callable

from gateway.dialects.base import Request
from gateway.dialects.endpoint import GEMINI, Endpoint
from gateway.dialects.jobs import JSON
from gateway.errors import UnknownEndpoint
from gateway.metering.accounts import Caller
from gateway.metering.events import End
from gateway.proxy import upload_urls
from gateway.proxy.content import content_of
from gateway.proxy.forwarding import begin, outgoing, target_of
from gateway.proxy.links import LinksHere, origin
from gateway.proxy.listing import Listing
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.providers import Provider
from gateway.proxy.relay import Relay
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCall, RunningCalls
from gateway.proxy.seams import Answer, Exchange, Incoming
from gateway.proxy.stored import StoredObjects
from gateway.proxy.watching import Watch, Watches

SERVED = range(200, 300)


class Passes:
    def __init__(
        self,
        rules: Rules,
        *,
        watches: Watches,
        stored: StoredObjects,
        now_ms: Callable[[], int],
        running: RunningCalls,
        observation: Observation,
    ) -> None:
        """`now_ms`: the ledger's clock."""
        self._rules = rules
        self._watches = watches
        self._stored = stored
        self._listing = Listing(stored, now_ms=now_ms)
        self._now_ms = now_ms
        self._running = running
        self._observation = observation

    async def serve(
        self, exchange: Exchange, asked: Request, endpoint: Endpoint, caller: Caller
    ) -> None:
        request, trace = exchange.request, exchange.trace
        provider = self._provider(endpoint.api)
        trace.provider = provider.name
        await self._stored.refuse_others(endpoint, asked, caller)
        watch = await self._watches.of(asked, endpoint, caller)
        links = self._links(endpoint, request, provider)
        watched = RunningCall(exchange.downstream, None, checkpoint_s=self._rules.checkpoint_s)
        self._running.add(watched)
        end = End.UPSTREAM_FAILED
        status = 0
        try:
            if self._stored.filtered(endpoint):
                asking = self._listing.answer(exchange, endpoint, caller, provider)
            else:
                asking = self._ask(exchange, asked, provider, plain=links is not None)
            answer = await watched.opening(asking)
            trace.status = status = answer.status
            if endpoint.api == GEMINI:
                answer.headers = upload_urls.through_here(
                    answer.headers,
                    provider_host=provider.host,
                    headers=request.headers,
                    query=request.query,
                )
            end = await self._relay(answer, exchange, watched, watch=watch, links=links)
        finally:
            self._running.discard(watched)
            self._watches.ended(watch, complete=end is End.COMPLETED and status in SERVED)

    async def _ask(
        self, exchange: Exchange, asked: Request, provider: Provider, *, plain: bool
    ) -> Answer:
        request, target = exchange.request, target_of(exchange.request)
        fields = await outgoing(
            exchange, provider, target, asked.body, plain=plain, now_ms=self._now_ms()
        )
        return await provider.upstream.request(
            request.method, target, fields=fields, body=asked.body
        )

    async def _relay(
        self,
        answer: Answer,
        exchange: Exchange,
        watched: RunningCall,
        *,
        watch: Watch,
        links: LinksHere | None,
    ) -> End:
        content_type, encoding = content_of(answer.headers)
        # Nothing can be changed inside a compressed answer.
        links = links if content_type == JSON and not encoding else None
        watch.began(content_type=content_type, encoding=encoding)
        begin(answer, exchange, keep_length=links is None)
        relay = Relay(answer, exchange.downstream, body_filter=links, copy=watch.copy)
        watched.relays(relay, None)
        end = await relay.run()
        exchange.trace.relayed_bytes = relay.relayed_bytes
        self._observation.passed(exchange.trace, duration_s=elapsed_s(exchange.trace))
        return end

    def _links(self, endpoint: Endpoint, request: Incoming, provider: Provider) -> LinksHere | None:
        """For answers that tell clients where to go on."""
        jobs = self._rules.jobs.get(endpoint.dialect)
        here = origin(request.headers)
        if jobs is None or not jobs.links or not here:
            return None
        return LinksHere(jobs.links, provider_host=provider.host, here=here)

    def _provider(self, api: str) -> Provider:
        if api not in self._rules.default_providers:
            raise UnknownEndpoint(
                f"No provider of this gateway has the {api} API, to which this path belongs."
            )
        return self._rules.providers[self._rules.default_providers[api]]
