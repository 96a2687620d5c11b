"""One answer given in a session: what is held for it, what it has used, how it ends."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from gateway.dialects.openai_realtime_answer import ResponseReader, TranscriptionReader
from gateway.metering.call import Call
from gateway.metering.events import End
from gateway.metering.sanity import ceiling
from gateway.metering.usage import Usage
from gateway.proxy.checkpoints import Checkpoints
from gateway.proxy.hold import Hold
from gateway.proxy.meter import Meter
from gateway.tokens.base import TokenCounter


class Turn:
    """A hold that ends exactly once, by `end`, and the answer that uses it, once there is one."""

    def __init__(self, hold: Hold, *, checkpoint_s: float) -> None:
        self.hold = hold
        self.cut = False
        """What comes is not paid for: it is not relayed any more."""
        self._reader: ResponseReader | TranscriptionReader | None = None
        self._meter: Meter | None = None
        self._checkpoints = Checkpoints(hold, checkpoint_s=checkpoint_s)
        self._open = ExitStack()
        self._open.enter_context(hold)

    def reads(self, call: Call) -> None:
        """The answer's input as it is known now; what was held ahead was for less."""
        ticket = self.hold.ticket
        if call.text_bytes > ticket.prompt.input_tokens and ticket.call.counts_tokens:
            prompt = Usage(input_uncached=call.text_bytes)
            self.hold.ticket = replace(ticket, call=call, prompt=prompt, full=False)

    def answers(self, reader: ResponseReader | TranscriptionReader, counter: TokenCounter) -> None:
        """From now on what `reader` sees is owed."""
        self._reader = reader
        ticket = self.hold.ticket
        self._meter = Meter(
            ticket,
            reader,
            counter=counter,
            decode=None,
            most_tokens=ceiling(ticket.call, ticket.price).tokens,
            disbelieved=self.hold.disbelieved,
        )
        self._checkpoints.meter = self._meter
        self.hold.owes(self._meter)

    async def pays_for(self, event: Mapping[str, object]) -> bool:
        """Take note of an event of the answer; False when credit does not cover it any more."""
        assert self._reader is not None
        assert self._meter is not None
        self._reader.take(event)
        self._meter.digest()
        hold = self.hold
        while not hold.ticket.full and not self.cut:
            missing = self._meter.counted_tokens - hold.covered(self._meter).output_tokens
            if missing <= 0:
                return True
            tokens = max(missing, hold.ticket.caller.plan.slice_tokens)
            if not await hold.extend(self._meter, tokens=tokens):
                return False
        return not self.cut

    def tick(self, now_s: float) -> None:
        self._checkpoints.tick(now_s)

    def end(self, end: End) -> None:
        """Settle what was used; release what nothing used."""
        self.hold.end = end
        self._open.close()
