"""The life of a call, top to bottom.

match → authenticate → read → admit → forward → relay → settle or release → tell. Knows neither
aiohttp nor sockets: the client is a `Downstream`, the provider an `Upstream`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from gateway.access.keys import Authentication
from gateway.dialects import SESSIONS
from gateway.dialects.base import Dialect, Prepared, Request, make_request
from gateway.dialects.endpoint import NOT_METERED, Endpoint, EndpointKind
from gateway.dialects.endpoints import Match, match, spoken_api
from gateway.dialects.stored_references import may_refer
from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.errors import BadCall, Draining, Forbidden, UnknownEndpoint
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.metering.events import End
from gateway.metering.sanity import UNBOUNDED, ceiling
from gateway.proxy.admit import Admission
from gateway.proxy.aside import INLINE_BYTES_MAX, aside
from gateway.proxy.attempts import Attempts
from gateway.proxy.begun import copies
from gateway.proxy.content import content_of, told_type
from gateway.proxy.decoding import decoder
from gateway.proxy.fairness import Places
from gateway.proxy.forwarding import begin
from gateway.proxy.hold import Hold, OpenHold
from gateway.proxy.intake import Intake
from gateway.proxy.lines import always
from gateway.proxy.meter import Meter
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.passes import Passes
from gateway.proxy.relay import Relay
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCall, RunningCalls
from gateway.proxy.seams import Answer, Exchange, Incoming
from gateway.proxy.sessions import Sessions
from gateway.proxy.stored import Creation, StoredObjects, belongs_to_one
from gateway.proxy.trace import Trace
from gateway.proxy.upstreams import Upstreams
from gateway.tokens.base import TokenCounter

SERVED = range(200, 300)
NO_QUERY: Mapping[str, str] = {}
# Members of an enumeration cost a descriptor call each time they are reached through it.
_FREE, _METERED = EndpointKind.FREE, EndpointKind.METERED
_REALTIME, _REPORTS = EndpointKind.REALTIME, EndpointKind.REPORTS


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
        upstreams: Upstreams,
        running: RunningCalls,
        sessions: Sessions,
        passes: Passes,
        stored: StoredObjects,
        places: Places,
        intake: Intake,
        observation: Observation,
    ) -> None:
        """`now_ms`: the ledger's clock."""
        self._rules = rules
        self._authentication = authentication
        self._admission = admission
        self._open_hold = open_hold
        self._now_ms = now_ms
        self._counter = counter
        self._upstreams = upstreams
        self._running = running
        self._sessions = sessions
        self._passes = passes
        self._stored = stored
        self._places = places
        self._intake = intake
        self._observation = observation
        self.draining = False

    async def run(self, exchange: Exchange) -> None:
        """Serve one call. Raises GatewayError for whatever was refused before an answer began."""
        request, trace = exchange.request, exchange.trace
        query = request.query if request.query_string else NO_QUERY
        matched = request.notes.matched
        if matched is None or self.draining:
            matched = self._match(request, trace, query=query)
        endpoint = matched.endpoint
        trace.api = endpoint.api
        self._refuse_unmetered(request, endpoint)
        trace.dialect = endpoint.dialect
        caller = self._authentication.remembered(request.notes.looked_up)
        if caller is None:
            caller = await self._authentication.caller(
                request.headers, query, address=request.address, store_away=True
            )
            request.notes.looked_up = caller.key.digest
        trace.key_id, trace.account_id = caller.key.key_id, caller.account.account_id
        self._intake.begin(caller.account.account_id)
        self._places.take(caller.account.account_id)
        try:
            await self._serve(exchange, matched, caller, query=query)
        finally:
            self._places.give_back(caller.account.account_id)

    async def _serve(
        self, exchange: Exchange, matched: Match, caller: Caller, *, query: Mapping[str, str]
    ) -> None:
        request, trace, endpoint = exchange.request, exchange.trace, matched.endpoint
        if endpoint.kind is _REALTIME:
            await self._sessions.serve(exchange, matched, caller)
            return
        asked = make_request(
            body=await request.body(bytes_max=self._rules.body_bytes_max),
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
        asked, call, refers = await self._read_call(asked, endpoint, caller)
        trace.model = call.model
        ticket = await self._admission.admit(
            call,
            caller=caller,
            api=self._rules.apis[endpoint.api],
            dialect=dialect,
            request_id=trace.request_id,
            stays=partial(belongs_to_one, call, endpoint, refers=refers),
        )
        trace.provider = ticket.provider
        with self._open_hold(ticket, trace=trace) as hold:
            if call.others:
                await self._hold_others(hold, asked, dialect, trace=trace)
            watched = RunningCall(exchange.downstream, hold, checkpoint_s=self._rules.checkpoint_s)
            self._running.add(watched)
            attempts = Attempts(self._upstreams, exchange, hold, watched)
            try:
                hide_usage, answer = await attempts.answer(partial(_prepared, dialect, call, asked))
                # An answer may take minutes: it need not keep its question.
                del asked
                if answer.status in SERVED:
                    creation = self._stored.creation(call, endpoint)
                    hold.end = await self._relay(
                        answer,
                        exchange,
                        hide_usage=hide_usage,
                        hold=hold,
                        watched=watched,
                        creation=creation,
                    )
                    attempts.relayed(hold.end)
                else:
                    await self._pass_on(answer, exchange, hold=hold, watched=watched)
            finally:
                attempts.ended()
                self._running.discard(watched)

    async def _read_call(
        self, asked: Request, endpoint: Endpoint, caller: Caller
    ) -> tuple[Request, Call, bool]:
        """The request with what is known of the stored objects that size it; what is asked for,
        of whom; whether it refers to anything stored. What is another account's is not found."""
        dialect = self._rules.dialects[endpoint.dialect]
        jobs = self._rules.jobs.get(endpoint.dialect)
        if jobs is not None and (ids := jobs.named(asked)):
            asked = replace(asked, known=await self._stored.sized(caller, endpoint.api, ids))
        if len(asked.body) <= INLINE_BYTES_MAX:
            call = dialect.read_call(asked)
        else:
            call = await aside(asked.body, partial(dialect.read_call, asked))
        refers = bool(endpoint.stored.owner) or may_refer(call, dialect=endpoint.dialect)
        if refers:
            refers = await self._stored.refuse_others_of(endpoint, asked, caller)
        return asked, call, refers

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
                stays=always,
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
            request.notes.matched = matched
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

    async def _relay(
        self,
        answer: Answer,
        exchange: Exchange,
        *,
        hide_usage: bool,
        hold: Hold,
        watched: RunningCall,
        creation: Creation | None,
    ) -> End:
        """The provider serves the call: its bytes to the client, a meter watching."""
        ticket = hold.ticket
        dialect = self._rules.dialects[exchange.trace.dialect]
        content_type, encoding = content_of(answer.headers)
        most = ceiling(ticket.call, ticket.price)
        in_events = ticket.call.stream and most is not UNBOUNDED
        meter = Meter(
            ticket,
            dialect.answer_reader(
                ticket.resolved_call,
                content_type=told_type(content_type, in_events=in_events),
            ),
            counter=self._counter,
            decode=decoder(encoding),
            most_tokens=most.tokens,
            disbelieved=self._observation.usage_disbelieved,
        )
        hold.owes(meter)
        # A stream that came compressed all the same passes as it is, to its end.
        hide = hide_usage and not encoding
        begin(answer, exchange, told=ticket.limit_headers(), keep_length=not hide)
        copy = None
        if hold.begun is not None or creation is not None:
            told = partial(self._stored.created, ticket.caller)
            begun, content = hold.begun, {"content_type": content_type, "encoding": encoding}
            copy = copies(
                None if begun is None else begun.reading(meter, **content),
                None if creation is None else creation.reading(**content, tell=told),
            )
        relay = Relay(
            answer,
            exchange.downstream,
            meter=meter,
            hold=hold,
            body_filter=dialect.usage_filter() if hide else None,
            copy=copy,
            cuttable=not encoding,
            bytes_max=most.bytes,
        )
        try:
            watched.relays(relay, meter)
            return await relay.run()
        finally:
            exchange.trace.relayed_bytes = relay.relayed_bytes
            if creation is not None:
                self._stored.created(ticket.caller, creation)

    async def _pass_on(
        self, answer: Answer, exchange: Exchange, *, hold: Hold, watched: RunningCall
    ) -> None:
        """The provider's error: nobody is charged for it."""
        hold.owes(None)
        begin(answer, exchange, keep_length=True)
        relay = Relay(answer, exchange.downstream)
        watched.relays(relay, None)
        await relay.run()
        exchange.trace.relayed_bytes = relay.relayed_bytes
        self._observation.passed(exchange.trace, duration_s=elapsed_s(exchange.trace))


async def _prepared(dialect: Dialect, call: Call, asked: Request, upstream_model: str) -> Prepared:
    if len(asked.body) <= INLINE_BYTES_MAX:
        return dialect.prepare(call, asked, upstream_model=upstream_model)
    work = partial(dialect.prepare, call, asked, upstream_model=upstream_model)
    return await aside(asked.body, work)
