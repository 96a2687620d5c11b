"""A realtime session: two WebSockets, frame by frame, each answer paid for by itself.

One answer's worth is always held ahead, so a session opens only with credit for a response, and a
response begins without waiting for the ledger. While it goes on its hold is extended; when it is
done its reported usage is settled and the next one is held. When credit ends, the response is
cancelled at the provider, the client gets its end, an `error` event that says why, and a normal
close: what it does not get was not paid for.

What events mean is the dialect's business (`dialects/openai_realtime.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from gateway.dialects.base import Api
from gateway.dialects.openai_realtime import (
    Conversation,
    OpenAIRealtime,
    answer_call,
    asked_transcriber,
    cancelling,
    decoded,
    error_event,
    item_id,
    kind,
    response_id,
    transcription_call,
)
from gateway.dialects.openai_realtime_answer import (
    NOT_TRANSCRIBED,
    TRANSCRIBED,
    ResponseReader,
    TranscriptionReader,
)
from gateway.errors import GatewayError, QuotaExceeded
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.metering.events import End
from gateway.proxy.admit import Admission
from gateway.proxy.hold import OpenHold
from gateway.proxy.lines import always
from gateway.proxy.seams import Frame, Socket
from gateway.proxy.ticket import Ticket
from gateway.proxy.trace import Trace
from gateway.proxy.turn import Turn
from gateway.tasks import TaskSet
from gateway.tokens.base import TokenCounter

# How long a provider may take to end a response that it was asked to cancel.
CANCEL_S = 3.0
GOING_AWAY = 1001
NORMAL_CLOSURE = 1000
SWITCHING_PROTOCOLS = 101
# What is held for a transcription that may come, as heard tokens: one minute of speech.
MINUTE_TOKENS = 600

FIRST_EVENTS = frozenset({"response.created", "input_audio_buffer.committed"})
LAST_EVENTS = frozenset({"response.done", TRANSCRIBED, NOT_TRANSCRIBED})
SETTINGS_EVENTS = frozenset(
    {
        "session.created",
        "session.updated",
        "transcription_session.created",
        "transcription_session.updated",
    }
)
OUT_OF_CREDIT = QuotaExceeded(
    "The account's credit ended in this response, which was cancelled. Add credit.",
    code="insufficient_quota",
    should_retry=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What a session needs of the gateway."""

    admission: Admission
    counter: TokenCounter
    open_hold: OpenHold
    now_ms: Callable[[], int]
    """The ledger's clock."""
    checkpoint_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Who talks to which model."""

    caller: Caller
    api: Api
    dialect: OpenAIRealtime
    model: str
    trace: Trace


class RealtimeSession:
    """One session from its first hold to its last settlement. Implements `running.Running`."""

    def __init__(self, talk: Talk, metering: Metering) -> None:
        self._talk = talk
        self._metering = metering
        self._conversation = Conversation()
        self._tasks = TaskSet()
        self._ahead: dict[str, Turn] = {}
        """What is held for the next answer, by the model that gives it."""
        self._turns: dict[str, Turn] = {}
        """Answers being given: by response, or by the item that is transcribed."""
        self._turns_made = 0
        self._refusal: GatewayError | None = None
        """Why no further answer is paid for."""
        self._end = End.UPSTREAM_FAILED
        """How answers end that are unfinished when the session is over."""
        self._cancel_by_s = 0.0
        self.relayed_bytes = 0

    async def hold_ahead(self) -> Turn | None:
        """Hold for the next answers; raises what the ledger refuses. Answers the turn of the next
        response; None in a session that only transcribes."""
        talk, transcriber = self._talk, self._conversation.transcriber
        if talk.model and talk.model not in self._ahead:
            call = answer_call(talk.model, input_tokens=self._conversation.input_tokens)
            self._ahead[talk.model] = await self._admitted(call)
        if transcriber and transcriber not in self._ahead:
            call = transcription_call(transcriber, heard_tokens=MINUTE_TOKENS)
            self._ahead[transcriber] = await self._admitted(call)
        return self._ahead.get(talk.model)

    def release(self) -> None:
        """End whatever is still held: what was produced is charged, the rest given back."""
        for turn in self._ahead.values():
            turn.end(End.COMPLETED)
        for turn in self._turns.values():
            turn.end(End.CUT_BY_QUOTA if turn.cut else self._end)
        self._ahead.clear()
        self._turns.clear()

    async def run(self, client: Socket, provider: Socket) -> None:
        """Relay both ways until either side closes, or credit ends."""
        self._client, self._provider = client, provider
        self._tasks.start(self._listen(), name="realtime client")
        try:
            while (frame := await provider.receive()) is not None:
                await self._serve(frame)
                if self._refusal is not None and not self._turns:
                    await self._tell(self._refusal)
                    break
        finally:
            self.release()
            why = "" if self._refusal is None else self._refusal.code
            await client.close(code=NORMAL_CLOSURE if why else provider.close_code, reason=why)
            await provider.close(code=NORMAL_CLOSURE)
            await self._tasks.cancel()

    def tick(self, now_s: float) -> None:
        for turn in (*self._ahead.values(), *self._turns.values()):
            turn.tick(now_s)
        if self._cancel_by_s and now_s >= self._cancel_by_s:
            # A provider that does not end what it was asked to cancel is left.
            self._cancel_by_s = 0.0
            self._tasks.start(self._provider.close(code=NORMAL_CLOSURE), name="realtime cancel")

    def cut(self, end: End) -> None:
        """End it now."""
        self._end = end
        self._tasks.start(self._leave(), name="realtime cut")

    async def _leave(self) -> None:
        await self._client.close(code=GOING_AWAY, reason="the gateway is shutting down")
        await self._provider.close(code=GOING_AWAY)

    async def _listen(self) -> None:
        """The client's frames, to the provider."""
        client, provider = self._client, self._provider
        while (frame := await client.receive()) is not None:
            event = decoded(frame)
            refusal = self._unpayable(event)
            if refusal is not None:
                await self._tell(refusal, caused_by=event.get("event_id"))
                continue
            self._conversation.client(event, len(frame))
            self.relayed_bytes += len(frame)
            await provider.send(frame)
        if self._end is End.UPSTREAM_FAILED:
            self._end = End.CLIENT_LEFT
        await provider.close(code=client.close_code)

    def _unpayable(self, event: Mapping[str, object]) -> GatewayError | None:
        """Why this event may not reach the provider: it asks for a transcriber that this key may
        not use, or that has no price."""
        wanted = asked_transcriber(event)
        if wanted is None:
            return None
        call = transcription_call(wanted, heard_tokens=MINUTE_TOKENS)
        try:
            self._metering.admission.check(call, caller=self._talk.caller, api=self._talk.api)
        except GatewayError as refusal:
            return refusal
        return None

    async def _serve(self, frame: Frame) -> None:
        """One frame of the provider's: paid for, relayed, and what follows from it."""
        event = decoded(frame)
        named = kind(event)
        heard_tokens = self._conversation.heard_tokens
        self._conversation.server(event)
        await self._begin(event, heard_tokens)
        answer_id = response_id(event) or item_id(event)
        turn = self._turns.get(answer_id)
        if turn is not None and not await turn.pays_for(event):
            await self._cancel(answer_id, turn)
            if named not in FIRST_EVENTS and named not in LAST_EVENTS:
                return
        self.relayed_bytes += len(frame)
        await self._client.send(frame)
        if turn is not None and named in LAST_EVENTS:
            turn.end(End.CUT_BY_QUOTA if turn.cut else End.COMPLETED)
            del self._turns[answer_id]
        if named in LAST_EVENTS or named in SETTINGS_EVENTS:
            await self._hold_next()

    async def _begin(self, event: Mapping[str, object], heard_tokens: int) -> None:
        """Whether an answer begins with this event: what is held ahead becomes its hold."""
        conversation, counter = self._conversation, self._metering.counter
        named = kind(event)
        if named == "response.created":
            call = answer_call(self._talk.model, input_tokens=conversation.input_tokens)
            turn = await self._taken(call)
            turn.answers(ResponseReader(conversation.spoken_chars_per_token), counter)
            self._turns[response_id(event)] = turn
        elif named == "input_audio_buffer.committed" and conversation.transcriber:
            call = transcription_call(conversation.transcriber, heard_tokens=heard_tokens)
            turn = await self._taken(call)
            turn.answers(TranscriptionReader(), counter)
            self._turns[item_id(event)] = turn

    async def _taken(self, call: Call) -> Turn:
        """The turn for an answer that has begun: what is held ahead, to be extended if the
        conversation has grown since. Without credit for one it is cut at once, and what it used by
        then is charged all the same."""
        ahead = self._ahead.pop(call.model, None)
        if ahead is not None:
            ahead.reads(call)
            return ahead
        try:
            return await self._admitted(call)
        except GatewayError as refusal:
            self._refusal = self._refusal or refusal
            turn = self._unheld(call)
            turn.cut = True
            return turn

    async def _cancel(self, answer_id: str, turn: Turn) -> None:
        """No more of this answer is paid for: ask the provider to end it, once."""
        turn.cut = True
        if self._refusal is None:
            self._refusal = OUT_OF_CREDIT
        if not self._cancel_by_s:
            self._cancel_by_s = monotonic() + CANCEL_S
            await self._provider.send(cancelling(answer_id).decode())

    async def _hold_next(self) -> None:
        if self._refusal is None:
            try:
                await self.hold_ahead()
            except GatewayError as refusal:
                self._refusal = refusal

    async def _admitted(self, call: Call) -> Turn:
        trace = self._next_trace(call)
        talk = self._talk
        ticket = await self._metering.admission.admit(
            call,
            caller=talk.caller,
            api=talk.api,
            dialect=talk.dialect,
            request_id=trace.request_id,
            stays=always,
        )
        return self._turn(ticket, trace)

    def _unheld(self, call: Call) -> Turn:
        """For an answer that began without a hold: the provider bills it, so it is charged."""
        trace, talk = self._next_trace(call), self._talk
        ticket = self._metering.admission.unheld(
            call,
            caller=talk.caller,
            api=talk.api,
            dialect=talk.dialect,
            request_id=trace.request_id,
        )
        return self._turn(ticket, trace)

    def _turn(self, ticket: Ticket, trace: Trace) -> Turn:
        trace.provider = ticket.provider
        hold = self._metering.open_hold(ticket, trace=trace)
        return Turn(hold, checkpoint_s=self._metering.checkpoint_s)

    def _next_trace(self, call: Call) -> Trace:
        """Each answer is charged under an id of its own, the session's with a number."""
        self._turns_made += 1
        return replace(
            self._talk.trace,
            request_id=f"{self._talk.trace.request_id}-{self._turns_made}",
            started_s=monotonic(),
            model=call.model,
            status=SWITCHING_PROTOCOLS,
            # The session's own; its answers have log lines only.
            span=None,
        )

    async def _tell(self, error: GatewayError, *, caused_by: object = None) -> None:
        event_id = f"event_{self._talk.trace.request_id}"
        told = error_event(error, event_id=event_id, caused_by=caused_by)
        await self._client.send(told.decode())
