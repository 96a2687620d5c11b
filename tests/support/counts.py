"""Our own count beside the reported one, for every recorded transcript; and the page's table of it.

Counted as the meter counts where nothing is reported, with the vocabularies of the default
configuration. Thinking is left out on both sides: most of it is never shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from types import SimpleNamespace

from support.transcripts import Transcript, transcripts

from gateway.dialects import DIALECTS
from gateway.metering.model_names import bare_name
from gateway.metering.pricing import ModelPrice
from gateway.metering.sanity import ceiling
from gateway.metering.usage import Usage
from gateway.proxy.meter import Meter
from gateway.settings.schema import DEFAULT_ENCODINGS
from gateway.tokens.base import EncodingRule
from gateway.tokens.counter import TiktokenCounter

COUNTER = TiktokenCounter([EncodingRule(**block.model_dump()) for block in DEFAULT_ENCODINGS])
PRICE = ModelPrice(model="", tiers=())
THINKING = ("reasoning", "thinking", "thought", "summary")
# By the beginning of a model's name; those of OpenAI alone have vocabularies that are public.
VENDORS = {
    "gpt-": "OpenAI",
    "text-embedding-": "OpenAI",
    "o3-": "OpenAI",
    "claude-": "Anthropic",
    "us.anthropic.claude-": "Anthropic",
    "gemini-": "Google",
    "deepseek-": "DeepSeek",
    "mistral-": "Mistral",
}
TEXT = ("text", "several answers", "refusal", "JSON mode", "reasoning", "image", "tool results")
CALLS = ("tool call", "parallel tool calls")
PLAIN = ("text", "several answers", "JSON mode", "reasoning", "image", "embedding")
"""Kinds whose prompts define neither tools nor schemas."""
HEAD = """\
| format | models of | kind | cases | output: least | output: most | input: least | input: most |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Pair:
    reported: int
    counted: int

    @property
    def off(self) -> int:
        return self.counted - self.reported

    def __str__(self) -> str:
        if self.off:
            return f"{self.off:+d} of {self.reported}"
        return "exact" if self.reported else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    transcript: Transcript
    vendor: str
    output: Pair
    input: Pair

    @property
    def row(self) -> tuple[str, str, str]:
        return (self.transcript.dialect, self.vendor, self.transcript.kind)

    def __str__(self) -> str:
        return str(self.transcript)


def recorded() -> list[Transcript]:
    return [each for name in DIALECTS for each in transcripts(name) if each.recorded]


async def measured(transcript: Transcript) -> Case:
    dialect, call = DIALECTS[transcript.dialect], transcript.call
    bound = dialect.prompt_bound_tokens(call, context_tokens=PRICE.context_tokens)
    ticket = SimpleNamespace(
        call=call,
        resolved_call=call,
        dialect=dialect,
        model=call.model,
        price=PRICE,
        prompt=Usage(input_uncached=bound),
        prompt_exact=False,
    )
    meter = Meter(
        ticket,
        transcript.reader(),
        counter=COUNTER,
        decode=None,
        most_tokens=ceiling(call, PRICE).tokens,
        disbelieved=lambda: None,
    )
    meter.feed(transcript.answer)
    report = meter.reported()
    assert report is not None, "what a provider really reported was not believed"
    await meter.counted()
    thought = [text for name, text in transcript.texts.items() if name.endswith(THINKING)]
    shown = meter.counted_tokens - await COUNTER.count(call.model, thought)
    usage = report.usage
    return Case(
        transcript=transcript,
        vendor=vendor_of(call.model),
        output=Pair(usage.output_tokens - usage.output_reasoning, shown),
        input=Pair(usage.input_tokens, meter.input_tokens),
    )


def vendor_of(model: str) -> str:
    return next(name for start, name in VENDORS.items() if bare_name(model).startswith(start))


def table(cases: Iterable[Case]) -> str:
    ordered = sorted(cases, key=lambda case: case.row)
    return HEAD + "".join(_lines(ordered))


def _lines(ordered: Iterable[Case]) -> Iterator[str]:
    for row, group in groupby(ordered, key=lambda case: case.row):
        cases = list(group)
        cells = [
            *row,
            len(cases),
            *_range([case.output for case in cases]),
            *_range([case.input for case in cases]),
        ]
        yield f"| {' | '.join(map(str, cells))} |\n"


def _range(pairs: list[Pair]) -> tuple[Pair, Pair]:
    return min(pairs, key=lambda pair: pair.off), max(pairs, key=lambda pair: pair.off)
