"""One attempt: one upstream is asked for a call, until the head of its answer is there."""

from time import monotonic

from gateway.dialects.base import Prepared
from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.metering.failover import COOLING, AttemptEnd, Unanswered, retry_after_s
from gateway.metering.hedging import CutOff
from gateway.metering.usage import Provenance, UsageReport
from gateway.proxy.begun import Begun
from gateway.proxy.forwarding import outgoing, target_of
from gateway.proxy.hold import Hold
from gateway.proxy.meter import count_prompt
from gateway.proxy.seams import Answer, Exchange
from gateway.proxy.ticket import Ticket
from gateway.proxy.upstreams import Upstreams
from gateway.tokens.base import TokenCounter
from gateway.values import call_value

BUSY_CODE = "upstream_busy"


@call_value
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


class Attempt:
    """`ended` must follow, however it ends.

    Of two that run at once one leads: by its ticket the call is charged, should it end now. Left or
    cut while waiting, a call owes its prompt from when it was sent, since the provider has it and
    bills it; one that could not be reached or answered nothing is owed nothing.
    """

    __slots__ = (
        "_body",
        "_exchange",
        "_fields",
        "_hold",
        "_leads",
        "_over",
        "_target",
        "_trial",
        "_upstreams",
        "asked_s",
        "health",
        "hide_usage",
        "sent",
        "ticket",
    )

    def __init__(
        self, upstreams: Upstreams, exchange: Exchange, hold: Hold, ticket: Ticket
    ) -> None:
        """`ticket`: the call, as it is at this upstream."""
        self._upstreams = upstreams
        self._exchange = exchange
        self._hold = hold
        self._target = ""
        self._fields = self._body = b""
        self._leads = self._over = False
        self.ticket = ticket
        self.hide_usage = False
        """The usage event was asked for by us, once it is made out what is sent."""
        self.sent = False
        """The provider may have it."""
        self.asked_s = 0.0
        self.health = health = upstreams.healths[ticket.provider]
        self._trial = health.begin(now_s=monotonic())
        exchange.trace.attempts += 1

    def lead(self) -> None:
        """From now on this is the one that the call is charged by."""
        self._leads = True
        self._exchange.trace.provider = self.ticket.provider
        self._hold.ticket = self.ticket
        self._hold.owes(self._prompt() if self.sent else None)

    def ended(self) -> None:
        """Nothing more comes of it. Saying so twice does nothing."""
        if not self._over:
            self._over = True
            self.health.end(trial=self._trial)

    async def address(self, prepared: Prepared) -> None:
        """Make out what is sent."""
        exchange, hold, ticket = self._exchange, self._hold, self.ticket
        rules, now_ms = self._upstreams.rules, self._upstreams.now_ms()
        # Neither hiding an event nor cutting in mid-stream is possible inside a compressed answer.
        plain = prepared.hide_usage or (ticket.call.stream and not ticket.full)
        self.hide_usage, self._body = prepared.hide_usage, prepared.body
        self._target = target = target_of(exchange.request, path=prepared.path)
        self._fields = await outgoing(
            exchange,
            rules.providers[ticket.provider],
            target,
            prepared.body,
            plain=plain,
            now_ms=now_ms,
        )
        if ticket.call.deferred:
            jobs = rules.jobs[exchange.trace.dialect]
            await hold.may_outlive(
                Begun(
                    jobs,
                    target=target,
                    headers=exchange.request.raw_headers,
                    poll_longest_ms=rules.poll_longest_ms,
                )
            )
        self.asked_s = monotonic()

    async def head(self) -> Answer:
        """Send it, and wait for the head of an answer. Raises UpstreamFailed."""
        # Sent once, and an answer may take minutes: it need not keep its question.
        fields, self._fields, body, self._body = self._fields, b"", self._body, b""
        upstream = self._upstreams.rules.providers[self.ticket.provider].upstream
        return await upstream.request(
            self._exchange.request.method,
            self._target,
            fields=fields,
            body=body,
            on_send=self._on_send,
        )

    def failed_by(self, error: UpstreamFailed) -> Unanswered:
        if error.code == BUSY_CODE:
            return Unanswered.BUSY
        if not self.sent:
            return Unanswered.CONNECT
        timed_out = isinstance(error, UpstreamTimeout)
        return Unanswered.TIMEOUT if timed_out else Unanswered.RESET

    def came_to(self, outcome: AttemptEnd, answer: Answer | None) -> None:
        """What the provider's health learns from an attempt that is not the call's answer."""
        now_s = monotonic()
        self.health.told(outcome, latency_s=now_s - self.asked_s, now_s=now_s)
        if answer is not None and outcome in COOLING:
            fields = {name.lower(): value for name, value in answer.headers}
            asked_s = retry_after_s(fields, now_s=self._upstreams.now_ms() / 1000)
            self.health.cool(self.ticket.model, outcome, asked_s, now_s=now_s)

    def cut_off(self, *, outrun: bool) -> None:
        """It is given up without an answer; `outrun`: since another came first. To be slow is no
        failure, but it is slow."""
        if outrun and self.asked_s:
            self.health.outrun(latency_s=monotonic() - self.asked_s)
        if self.sent:
            ticket = self.ticket
            self._hold.cut_off = CutOff(
                provider=ticket.provider, model=ticket.model, rate_id=ticket.price.rate_id
            )
        self.ended()

    def _prompt(self) -> PromptBill:
        return PromptBill(ticket=self.ticket, counter=self._upstreams.counter)

    def _on_send(self) -> None:
        self.sent = True
        if self._leads:
            self._hold.owes(self._prompt())
