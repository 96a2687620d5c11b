"""Calls that are not charged: authenticated and passed on, while others look at what passes.

An answer may tell of a job that another call began, or create an object that later calls build on.
"""

from collections.abc import Callable

from gateway.dialects.base import Request
from gateway.dialects.endpoint import GEMINI, Endpoint
from gateway.dialects.jobs import Jobs, StatusReader
from gateway.errors import UnknownEndpoint
from gateway.metering.accounts import Caller
from gateway.metering.events import End
from gateway.proxy import upload_urls
from gateway.proxy.begun import decoded_copy
from gateway.proxy.content import content_of
from gateway.proxy.following import Following
from gateway.proxy.forwarding import begin, outgoing, target_of
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.providers import Provider
from gateway.proxy.relay import Relay
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCall, RunningCalls
from gateway.proxy.seams import Answer, Exchange
from gateway.proxy.stored import Creation, StoredObjects

SERVED = range(200, 300)


class Passes:
    def __init__(
        self,
        rules: Rules,
        *,
        following: Following,
        stored: StoredObjects,
        now_ms: Callable[[], int],
        running: RunningCalls,
        observation: Observation,
    ) -> None:
        """`now_ms`: the ledger's clock."""
        self._rules = rules
        self._following = following
        self._stored = stored
        self._now_ms = now_ms
        self._running = running
        self._observation = observation

    async def serve(
        self, exchange: Exchange, asked: Request, endpoint: Endpoint, caller: Caller
    ) -> None:
        request, trace = exchange.request, exchange.trace
        provider = self._provider(endpoint.api)
        trace.provider = provider.name
        jobs = self._rules.jobs.get(endpoint.dialect)
        creation = await self._stored.creating(endpoint.memo, asked)
        target = target_of(request)
        headers = await outgoing(
            exchange, provider, target, asked.body, plain=False, now_ms=self._now_ms()
        )
        watched = RunningCall(exchange.downstream, None, checkpoint_s=self._rules.checkpoint_s)
        self._running.add(watched)
        try:
            answer = await watched.opening(
                provider.upstream.request(request.method, target, headers=headers, body=asked.body)
            )
            trace.status = answer.status
            if endpoint.api == GEMINI:
                answer.headers = upload_urls.through_here(
                    answer.headers,
                    provider_host=provider.host,
                    headers=request.headers,
                    query=request.query,
                )
            reader, copy = _watching(answer, jobs, creation)
            end = await self._relay(answer, exchange, watched, copy=copy)
        finally:
            self._running.discard(watched)
        if end is not End.COMPLETED or answer.status not in SERVED:
            return
        if reader is not None:
            reader.close()
            self._following.passed(caller, endpoint.api, reader.statuses.values())
        if creation is not None:
            self._stored.created(caller, endpoint.api, creation)

    async def _relay(
        self,
        answer: Answer,
        exchange: Exchange,
        watched: RunningCall,
        *,
        copy: Callable[[bytes], None] | None,
    ) -> End:
        begin(answer, exchange, extra=(), keep_length=True)
        relay = Relay(answer, exchange.downstream, copy=copy)
        end = await watched.relaying(relay, None)
        exchange.trace.relayed_bytes = relay.relayed_bytes
        self._observation.passed(exchange.trace, duration_s=elapsed_s(exchange.trace))
        return end

    def _provider(self, api: str) -> Provider:
        if api not in self._rules.default_providers:
            raise UnknownEndpoint(
                f"No provider of this gateway has the {api} API, to which this path belongs."
            )
        return self._rules.providers[self._rules.default_providers[api]]


def _watching(
    answer: Answer, jobs: Jobs | None, creation: Creation | None
) -> tuple[StatusReader | None, Callable[[bytes], None] | None]:
    content_type, encoding = content_of(answer.headers)
    if jobs is not None:
        reader = StatusReader(jobs, content_type=content_type)
        return reader, decoded_copy(reader.feed, encoding=encoding)
    if creation is not None:
        return None, decoded_copy(creation.feed, encoding=encoding)
    return None, None
