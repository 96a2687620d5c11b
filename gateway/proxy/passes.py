"""Calls that are not charged: authenticated and passed on, while others look at what passes.

An answer may tell of a job that another call began, or create an object that later calls build on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.dialects.base import Request
from gateway.dialects.endpoint import GEMINI, Endpoint
from gateway.dialects.jobs import EVENT_STREAM, StatusReader
from gateway.errors import UnknownEndpoint
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.metering.events import End
from gateway.proxy import upload_urls
from gateway.proxy.begun import decoded_copy
from gateway.proxy.content import content_of
from gateway.proxy.following import Following
from gateway.proxy.forwarding import begin, outgoing, target_of
from gateway.proxy.heard import Heard
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
            watch = self._watch(answer, endpoint, creation)
            end = await self._relay(answer, exchange, watched, copy=watch.copy)
        finally:
            self._running.discard(watched)
        complete = end is End.COMPLETED and answer.status in SERVED
        self._note(watch, endpoint.api, caller, complete=complete)

    def _watch(self, answer: Answer, endpoint: Endpoint, creation: Creation | None) -> "_Watch":
        content_type, encoding = content_of(answer.headers)
        watch = _Watch(creation=creation)
        jobs = self._rules.jobs.get(endpoint.dialect)
        if jobs is not None:
            watch.statuses = StatusReader(jobs, content_type=content_type)
            dialect = self._rules.dialects.get(endpoint.dialect)
            if dialect is not None and content_type == EVENT_STREAM:
                call = Call(model="", stream=True)
                watch.heard = Heard(dialect.answer_reader(call, content_type=content_type))
        if jobs is not None or creation is not None:
            watch.copy = decoded_copy(watch.feed, encoding=encoding)
        return watch

    def _note(self, watch: "_Watch", api: str, caller: Caller, *, complete: bool) -> None:
        if watch.statuses is not None:
            watch.statuses.close()
            told = watch.statuses.statuses
            if watch.heard is not None and len(told) == 1:
                self._following.heard(caller, api, next(iter(told)), watch.heard)
            if complete:
                self._following.passed(caller, api, told.values())
        if watch.creation is not None and complete:
            self._stored.created(caller, api, watch.creation)

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


@dataclass(slots=True)
class _Watch:
    """Who looks at a copy of an answer."""

    creation: Creation | None
    statuses: StatusReader | None = None
    heard: Heard | None = None
    copy: Callable[[bytes], None] | None = None

    def feed(self, data: bytes) -> None:
        for reader in (self.creation, self.statuses, self.heard):
            if reader is not None:
                reader.feed(data)
