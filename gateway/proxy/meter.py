"""Counts one answer: a reader that watches its bytes, and a running count of what it said.

Feeding is nearly free; parsing happens when somebody needs to know: at a checkpoint, when a
rolling hold nears its end, or at the end if the provider reported nothing believable.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from gateway.dialects.base import AnswerReader, Format, OutputPiece
from gateway.metering.call import Call
from gateway.metering.sanity import plausible
from gateway.metering.usage import NOTHING, Provenance, Usage, UsageReport
from gateway.proxy.ticket import Ticket
from gateway.tokens.base import INLINE_CHARS_MAX, StreamCount, TokenCounter

# Members of an enumeration cost a descriptor call each time they are reached through it.
_REPORTED = Provenance.REPORTED
# No vocabulary has a longer token.
TOKEN_BYTES_MAX = 256
# Words that are looked for in a prompt that nobody counted: a few milliseconds' work.
WORDS_MAX = 50_000
# A stream that comes in one burst stays unparsed up to here; beyond, memory matters more.
UNDIGESTED_BYTES_MAX = 65_536


class Mark(NamedTuple):
    """How far an answer had come: tokens of its texts, what is in no text, what was reported."""

    text_tokens: int
    extra: Usage
    told: Usage | None


class Meter:
    """What an answer has used so far, and in the end."""

    __slots__ = (
        "_answer_bytes",
        "_counter",
        "_cut",
        "_decode",
        "_disbelieved",
        "_fed",
        "_fed_bytes",
        "_input",
        "_large",
        "_large_bytes",
        "_least_input",
        "_most_tokens",
        "_reader",
        "_streams",
        "_text_tokens",
        "_undecodable",
        "counted_tokens",
        "excessive",
        "input_exact",
        "ticket",
    )

    def __init__(
        self,
        ticket: Ticket,
        reader: AnswerReader,
        *,
        counter: TokenCounter,
        decode: Callable[[bytes], bytes] | None,
        most_tokens: int,
        disbelieved: Callable[[], None],
    ) -> None:
        """`decode` undoes the answer's Content-Encoding on our copy; it raises ValueError.

        `most_tokens`: the call's `ceiling`. `disbelieved` is told when a reported usage was not
        plausible and ours takes its place.
        """
        self.ticket = ticket
        self.input_exact = ticket.prompt_exact
        self._input = ticket.prompt
        self._least_input: Usage | None = None
        self._reader = reader
        self._counter = counter
        self._decode = decode
        self._disbelieved = disbelieved
        self._undecodable = False
        # What the reader has not been given yet: it is asked rarely, and fed all at once then.
        self._fed: list[bytes] = []
        self._fed_bytes = 0
        self._answer_bytes = 0
        self._streams: dict[str, StreamCount] = {}
        self._large: list[str] = []
        self._large_bytes = 0
        self._cut: Mark | None = None
        self._text_tokens = 0
        self._most_tokens = most_tokens
        self.excessive = False
        """More came than any honest answer to this call has: no more of it is charged."""
        self.counted_tokens = 0
        """Output tokens of what was digested; text too large to count here counts as its bytes."""

    @property
    def input_tokens(self) -> int:
        return self._input.input_tokens

    @property
    def pending_bytes(self) -> int:
        """Fed and not yet counted: an upper bound for the tokens in there."""
        return self._fed_bytes + self._reader.pending_bytes

    def feed(self, data: bytes) -> None:
        if self._decode is not None:
            data = self._decoded(data)
        self._fed.append(data)
        self._fed_bytes += len(data)
        if self._fed_bytes > UNDIGESTED_BYTES_MAX:
            self.digest()

    def _hand_on(self) -> None:
        fed = self._fed
        if fed:
            self._reader.feed(fed[0] if len(fed) == 1 else b"".join(fed))
            fed.clear()
            self._answer_bytes += self._fed_bytes
            self._fed_bytes = 0

    def _decoded(self, data: bytes) -> bytes:
        assert self._decode is not None
        if self._undecodable:
            return b""
        try:
            return self._decode(data)
        except ValueError:
            self._undecodable = True
            return b""

    def digest(self) -> None:
        """Parse and count what was fed. Text too large to encode here is set aside."""
        self._hand_on()
        for piece in self._reader.digest():
            if len(piece.text) > INLINE_CHARS_MAX:
                self._large.append(piece.text)
                self._large_bytes += len(piece.text.encode("utf-8", "surrogatepass"))
            else:
                self._stream(piece).feed(piece.text)
        self._recount()

    def _recount(self) -> None:
        counted = sum(stream.total() for stream in self._streams.values())
        self._text_tokens = counted + self._large_bytes
        extra = self._reader.extra.output_tokens
        self.counted_tokens = self._text_tokens + extra
        # What is too large to count here has this many at the least.
        sure = counted + extra + self._large_bytes // TOKEN_BYTES_MAX
        if sure > self._most_tokens and self._cut is None:
            self.excessive = True
            self._cut_at(Mark(self._most_tokens, NOTHING, None))

    def mark(self) -> Mark:
        return Mark(self._text_tokens, self._reader.extra, self._reader.so_far)

    def cut(self) -> None:
        """The answer ends here."""
        self._cut_at(self.mark())

    def cut_before_latest(self, mark: Mark) -> None:
        """The answer ended at `mark`: what was digested since, in one go, was not relayed."""
        self._reader.withdraw()
        self._cut_at(mark)

    def _cut_at(self, mark: Mark) -> None:
        self._cut = mark
        self.counted_tokens = mark.text_tokens + mark.extra.output_tokens

    def _stream(self, piece: OutputPiece) -> StreamCount:
        stream = self._streams.get(piece.stream)
        if stream is None:
            stream = self._streams[piece.stream] = self._counter.open(self.ticket.model)
        return stream

    def usage_so_far(self) -> Usage:
        """What would be owed if the answer ended here, without waiting.

        What the provider has told by now of the input stands; of the output it is a lower bound.
        Of a prompt that was only bounded, no more is owed than it has for sure.
        """
        text_tokens, extra, told = self._cut or self.mark()
        counted = Usage(output_text=text_tokens) + extra
        if told is None:
            return self._sure_input() + counted
        if told.output_tokens >= counted.output_tokens:
            return told
        return told.input_part + counted

    def _sure_input(self) -> Usage:
        if self.input_exact:
            return self._input
        if self._least_input is None:
            ticket = self.ticket
            least = least_prompt(ticket.resolved_call, ticket.dialect)
            # As in `count_prompt`: the model reads no more than its context.
            fits = least.input_tokens <= self._input.input_tokens
            self._least_input = least if fits else self._input
        return self._least_input

    def reported(self) -> UsageReport | None:
        """The answer is over: what the provider says, if it says something believable."""
        self._hand_on()
        reported = None if self._cut else self._reader.close()
        if reported is None:
            return None
        usage = reported.usage
        if self._streams or not self._plausible(usage, counted=None):
            self.digest()
            counted = Usage(output_text=self._text_tokens) + self._reader.extra
            if not self._plausible(usage, counted=counted):
                self._disbelieved()
                return None
        return UsageReport(usage, _REPORTED, reported.unmapped)

    def _plausible(self, usage: Usage, *, counted: Usage | None) -> bool:
        return plausible(
            usage,
            call=self.ticket.call,
            price=self.ticket.price,
            most_tokens=self._most_tokens,
            counted=counted,
            answer_bytes=self._answer_bytes,
        )

    async def counted(self) -> UsageReport:
        """Our own count of the prompt and of all that was relayed; the fallback for `reported`."""
        if self._undecodable:
            return UsageReport(Usage(), Provenance.HELD)
        await self.count_prompt()
        if self._cut is None:
            self.digest()
            self._large_bytes = await self._counter.count(self.ticket.model, self._large)
            self._large.clear()
            self._recount()
        return UsageReport(self.usage_so_far(), Provenance.COUNTED)

    async def seen(self) -> Usage:
        """As `counted`, but without a bound for what the caller only named."""
        ticket = self.ticket
        prompt = await count_prompt(ticket.resolved_call, ticket.dialect, self._counter)
        # What is owed by the piece is in both.
        return replace(prompt, pieces=()) + (await self.counted()).usage.output_part

    async def count_prompt(self) -> None:
        """Replace the prompt's bound by its exact count."""
        if self.input_exact:
            return
        ticket = self.ticket
        # What the caller only named (a file by its id) cannot be counted: the bound stands.
        if not ticket.call.opaque_inputs:
            counted = await count_prompt(ticket.resolved_call, ticket.dialect, self._counter)
            if counted.input_tokens <= self._input.input_tokens:
                self._input = counted
        self.input_exact = True

    def boundary(self, data: bytes, start: int) -> int:
        """Where the event that begins at `start` ends; -1 while it is incomplete."""
        self._hand_on()
        return self._reader.boundary(data, start)

    def ending(self, *, include_usage: bool) -> bytes:
        """The bytes that end this stream cleanly at a boundary, because credit is gone."""
        return self._reader.ending(usage=self.usage_so_far(), include_usage=include_usage)


async def count_prompt(resolved: Call, dialect: Format, counter: TokenCounter) -> Usage:
    """The prompt's tokens, for a call whose model is the one the provider is asked for."""
    parts = dialect.prompt_parts(resolved)
    return Usage(
        input_uncached=parts.fixed_tokens + await counter.count(resolved.model, parts.texts),
        input_audio=parts.audio_tokens,
        input_image=parts.image_tokens,
        pieces=resolved.owed,
    )


def least_prompt(resolved: Call, dialect: Format) -> Usage:
    """No more than `count_prompt` finds, without a tokenizer: no token spans two words. (More, if
    the model's count is scaled down by its encoding's `percent`.)"""
    parts = dialect.prompt_parts(resolved)
    words = 0
    for text in parts.texts:
        words += len(text.split(None, WORDS_MAX - words))
        if words >= WORDS_MAX:
            break
    return Usage(
        input_uncached=parts.fixed_tokens + words,
        input_audio=parts.audio_tokens,
        input_image=parts.image_tokens,
        pieces=resolved.owed,
    )
