"""The life of a call, top to bottom.

match → authenticate → read → admit → forward → relay → settle or release → tell. Knows neither
aiohttp nor sockets: the client is a `Downstream`, the provider an `Upstream`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TypeVar

from gateway.access.keys import Authentication
from gateway.dialects import SESSIONS
from gateway.dialects.base import Dialect, Prepared, Request
from gateway.dialects.endpoint import NOT_METERED, Endpoint, EndpointKind
from gateway.dialects.endpoints import Match, match, spoken_api
from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.errors import BadCall, ClientLeft, Draining, Forbidden, UnknownEndpoint, UpstreamFailed
from gateway.metering.events import End
from gateway.metering.usage import Provenance, UsageReport
from gateway.proxy.admit import Admission
from gateway.proxy.begun import Begun
from gateway.proxy.content import content_of
from gateway.proxy.decoding import decoder
from gateway.proxy.forwarding import begin, outgoing, target_of
from gateway.proxy.hold import Hold, OpenHold
from gateway.proxy.meter import Meter, count_prompt
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.passes import Passes
from gateway.proxy.relay import Relay
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCall, RunningCalls
from gateway.proxy.seams import Answer, Exchange, Incoming
from gateway.proxy.sessions import Sessions
from gateway.proxy.stored import StoredObjects
from gateway.proxy.ticket import Ticket
from gateway.proxy.trace import Trace
from gateway.tokens.base import TokenCounter

Made = TypeVar("Made")
SERVED = range(200, 300)
NO_QUERY: Mapping[str, str] = {}
# What is longer is read in a thread: a batch of thousands of requests takes a second or more, in
# which other calls must go on.
INLINE_BYTES_MAX = 128 * 1024
# Members of an enumeration cost a descriptor call each time they are reached through it.
_FREE, _METERED = EndpointKind.FREE, EndpointKind.METERED
_REALTIME, _REPORTS = EndpointKind.REALTIME, EndpointKind.REPORTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBill:
    """Owed while the provider has the prompt and nothing of its answer was seen."""

    ticket: Ticket
    counter: TokenCounter

    def reported(self) -> UsageReport | None:
        return None

    async def counted(self) -> UsageReport:
        ticket = self.ticket
        usage = await count_prompt(ticket.resolved_call, ticket.dialect, self.counter)
        return UsageReport(usage, Provenance.COUNTED)


class Pipeline:
    def __init__(
        self,
        rules: Rules,
        *,
        authentication: Authentication,
        admission: Admission,
        open_hold: OpenHold,
        now_ms: Callable[[], int],
        counter: TokenCounter,
        running: RunningCalls,
        sessions: Sessions,
        passes: Passes,
        stored: StoredObjects,
        observation: Observation,
    ) -> None:
        """`now_ms`: the ledger's clock."""
        self._rules = rules
        self._authentication = authentication
        self._admission = admission
        self._open_hold = open_hold
        self._now_ms = now_ms
        self._counter = counter
        self._running = running
        self._sessions = sessions
        self._passes = passes
        self._stored = stored
        self._observation = observation
        self.draining = False

    async def run(self, exchange: Exchange) -> None:
        """Serve one call. Raises GatewayError for whatever was refused before an answer began."""
        request, trace = exchange.request, exchange.trace
        query = request.query if request.query_string else NO_QUERY
        matched = self._match(request, trace, query=query)
        endpoint = matched.endpoint
        trace.api = endpoint.api
        self._refuse_unmetered(request, endpoint)
        trace.dialect = endpoint.dialect
        caller = await self._authentication.caller(request.headers, query)
        trace.key_id, trace.account_id = caller.key.key_id, caller.account.account_id
        if endpoint.kind is _REALTIME:
            await self._sessions.serve(exchange, matched, caller)
            return
        body = await request.body(bytes_max=self._rules.body_bytes_max)
        asked = Request(
            body=body,
            path=request.path,
            segments=matched.segments,
            query=query,
            content_type=request.headers.get("Content-Type", ""),
            headers=request.headers,
            now_ms=self._now_ms(),
        )
        if endpoint.kind is not _METERED:
            await self._passes.serve(exchange, asked, endpoint, caller)
            return
        dialect = self._rules.dialects[endpoint.dialect]
        jobs = self._rules.jobs.get(endpoint.dialect)
        if jobs is not None and (ids := jobs.named(asked)):
            asked = replace(asked, known=await self._stored.known(caller, endpoint.api, ids))
        call = await _aside(asked, partial(dialect.read_call, asked))
        trace.model = call.model
        ticket = await self._admission.admit(
            call,
            caller=caller,
            api=self._rules.apis[endpoint.api],
            dialect=dialect,
            request_id=trace.request_id,
        )
        trace.provider = ticket.provider
        with self._open_hold(ticket, trace=trace) as hold:
            prepare = partial(dialect.prepare, call, asked, upstream_model=ticket.model)
            prepared = await _aside(asked, prepare)
            if call.others:
                await self._hold_others(hold, asked, dialect, trace=trace)
            watched = RunningCall(exchange.downstream, hold, checkpoint_s=self._rules.checkpoint_s)
            self._running.add(watched)
            try:
                answer = await self._forward(exchange, prepared, hold, watched=watched)
                if answer.status in SERVED:
                    hold.end = await self._relay(
                        answer, exchange, prepared, dialect=dialect, hold=hold, watched=watched
                    )
                else:
                    await self._pass_on(answer, exchange, hold=hold, watched=watched)
            finally:
                self._running.discard(watched)

    async def _hold_others(
        self, hold: Hold, asked: Request, dialect: Dialect, *, trace: Trace
    ) -> None:
        """One hold more for each other model that the same request asks."""
        first = hold.ticket
        for number, call in enumerate(first.call.others, 1):
            ticket = await self._admission.admit(
                call,
                caller=first.caller,
                api=first.api,
                dialect=dialect,
                request_id=f"{first.request_id}.{number}",
            )
            hold.accompany(self._open_hold(ticket, trace=trace))
            if ticket.provider != first.provider:
                raise BadCall(
                    f"{call.model!r} and {first.call.model!r} are served by different providers; "
                    "ask them in different requests."
                )
            # Looks at the model's name as it does for the first.
            dialect.prepare(call, asked, upstream_model=ticket.model)

    def _match(self, request: Incoming, trace: Trace, *, query: Mapping[str, str]) -> Match:
        # Until a row says whose path it is: in what form an error is told.
        spoken = spoken_api(request.headers, query)
        trace.api = spoken
        if self.draining:
            raise Draining("The gateway is shutting down. Send the call again.", retry_after_s=1)
        matched = match(request.method, request.path, spoken=spoken)
        if matched is not None:
            return matched
        kind = self._rules.unknown_endpoints
        if kind is not None:
            self._observation.unknown_endpoint(charged=kind is _METERED)
            providers = self._rules.default_providers
            api = spoken if spoken in providers else next(iter(providers))
            dialect = UNKNOWN_ENDPOINT if kind is _METERED else ""
            return Match(Endpoint(request.method, request.path, api, kind, dialect))
        raise UnknownEndpoint(
            f"There is nothing at {request.method} {request.path[:200]} that this gateway can "
            "meter. Check the path; the operator can allow it with `unknown_endpoints`."
        )

    def _refuse_unmetered(self, request: Incoming, endpoint: Endpoint) -> None:
        metered = endpoint.kind is _METERED and endpoint.dialect in self._rules.dialects
        talked = endpoint.kind is _REALTIME and endpoint.dialect in SESSIONS
        told = endpoint.kind is _REPORTS and endpoint.dialect in self._rules.jobs
        if not metered and not talked and not told and endpoint.kind is not _FREE:
            raise Forbidden(
                f"{request.method} {endpoint.pattern} is not available through this gateway: "
                f"{endpoint.reason or NOT_METERED}.",
                code="endpoint_refused",
                should_retry=False,
            )

    async def _forward(
        self, exchange: Exchange, prepared: Prepared, hold: Hold, *, watched: RunningCall
    ) -> Answer:
        """Send the call to its provider and wait for the head of the answer.

        Left or cut while waiting, the call owes its prompt: the provider has it and bills it.
        A provider that could not be reached or answered nothing is owed nothing.
        """
        request, trace = exchange.request, exchange.trace
        provider = self._rules.providers[hold.ticket.provider]
        # Neither hiding an event nor cutting in mid-stream is possible inside a compressed answer.
        plain = prepared.hide_usage or (hold.ticket.call.stream and not hold.ticket.full)
        target = target_of(request, path=prepared.path)
        headers = await outgoing(
            exchange, provider, target, prepared.body, plain=plain, now_ms=self._now_ms()
        )
        if hold.ticket.call.deferred:
            await hold.may_outlive(
                Begun(
                    self._rules.jobs[trace.dialect],
                    target=target,
                    headers=headers,
                    poll_longest_ms=self._rules.poll_longest_ms,
                )
            )
        trace.forwarded_s = monotonic()
        hold.owes(PromptBill(ticket=hold.ticket, counter=self._counter))
        try:
            answer = await watched.opening(
                provider.upstream.request(
                    request.method, target, headers=headers, body=prepared.body
                )
            )
        except (UpstreamFailed, Draining):
            hold.owes(None)
            raise
        except ClientLeft:
            hold.end = End.CLIENT_LEFT
            raise
        trace.first_byte_s = monotonic()
        trace.status = hold.http_status = answer.status
        return answer

    async def _relay(
        self,
        answer: Answer,
        exchange: Exchange,
        prepared: Prepared,
        *,
        dialect: Dialect,
        hold: Hold,
        watched: RunningCall,
    ) -> End:
        """The provider serves the call: its bytes to the client, a meter watching."""
        ticket = hold.ticket
        content_type, encoding = content_of(answer.headers)
        meter = Meter(
            ticket,
            dialect.answer_reader(ticket.resolved_call, content_type=content_type),
            counter=self._counter,
            decode=decoder(encoding),
            disbelieved=self._observation.usage_disbelieved,
        )
        hold.owes(meter)
        # A stream that came compressed all the same passes as it is, to its end.
        hide = prepared.hide_usage and not encoding
        extra = ticket.api.limit_headers(ticket.charges, ticket.rooms, now_ms=ticket.started_ms)
        begin(answer, exchange, extra=extra, keep_length=not hide)
        begun = hold.begun
        relay = Relay(
            answer,
            exchange.downstream,
            meter=meter,
            hold=hold,
            body_filter=dialect.usage_filter() if hide else None,
            copy=None
            if begun is None
            else begun.reading(meter, content_type=content_type, encoding=encoding),
            cuttable=not encoding,
        )
        try:
            return await watched.relaying(relay, meter)
        finally:
            exchange.trace.relayed_bytes = relay.relayed_bytes

    async def _pass_on(
        self, answer: Answer, exchange: Exchange, *, hold: Hold, watched: RunningCall
    ) -> None:
        """The provider's error: nobody is charged for it."""
        hold.owes(None)
        begin(answer, exchange, extra=(), keep_length=True)
        relay = Relay(answer, exchange.downstream)
        await watched.relaying(relay, None)
        exchange.trace.relayed_bytes = relay.relayed_bytes
        self._observation.passed(exchange.trace, duration_s=elapsed_s(exchange.trace))


async def _aside(asked: Request, work: Callable[[], Made]) -> Made:
    if len(asked.body) <= INLINE_BYTES_MAX:
        return work()
    return await asyncio.to_thread(work)
