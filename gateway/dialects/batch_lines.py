"""What the requests of a batch come to together, read from the file that holds them.

A batch is created long after its file was uploaded, when the file is out of sight. So what the
batch will be sized by is worked out as the file passes and remembered with it: sums by model,
never a line of it. Source: OpenAI's guide "Batch API" (read 2026-11-26): JSON Lines of `custom_id`,
`method`, `url` and `body`, at most 50 000 of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.dialects.base import Format, Request
from gateway.dialects.jobs import text_of
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.json_scan import member
from gateway.errors import BadCall
from gateway.metering.call import Call, Many
from gateway.metering.usage import Pieces, added

SINGLE_KEYS = SingleKeys(("url", "body"))
# Larger than any context: what is bounded by it is bounded by its bytes.
CONTEXT_TOKENS = 1 << 40
# A file of all models there are is no batch.
MODELS_MAX = 64


@dataclass(frozen=True, slots=True)
class Share:
    """What the requests for one model come to."""

    many: Many
    pieces: Pieces = ()

    def to_facts(self) -> dict[str, object]:
        """As it is remembered; `share_of_facts` reads it back."""
        many = self.many
        return {
            "calls": many.calls,
            "input_tokens": many.input_tokens,
            "longest_input_tokens": many.longest_input_tokens,
            "opaque_inputs": many.opaque_inputs,
            "output_tokens": many.output_tokens,
            "uncapped_answers": many.uncapped_answers,
            "media": many.media,
            "pieces": dict(self.pieces),
        }

    def __add__(self, other: "Share") -> "Share":
        mine, more = self.many, other.many
        return Share(
            Many(
                calls=mine.calls + more.calls,
                input_tokens=mine.input_tokens + more.input_tokens,
                longest_input_tokens=max(mine.longest_input_tokens, more.longest_input_tokens),
                opaque_inputs=mine.opaque_inputs + more.opaque_inputs,
                output_tokens=mine.output_tokens + more.output_tokens,
                uncapped_answers=mine.uncapped_answers + more.uncapped_answers,
                media=mine.media or more.media,
            ),
            added(self.pieces, other.pieces),
        )


def share_of_facts(facts: Mapping[str, object], *, service_tier: str) -> Share:
    """Raises KeyError, TypeError or ValueError for facts of another shape than `to_facts`'."""
    given = dict(facts)
    pieces = given.pop("pieces")
    assert isinstance(pieces, dict)
    many = Many(**given, service_tier=service_tier)  # type: ignore[arg-type]  # as they were written
    return Share(many, tuple(sorted(pieces.items())))


def share_of(call: Call, dialect: Format) -> Share:
    """One request of a batch."""
    bound = dialect.prompt_bound_tokens(
        replace(call, opaque_inputs=0), context_tokens=CONTEXT_TOKENS
    )
    capped = call.max_output_tokens
    return Share(
        Many(
            calls=1,
            input_tokens=bound,
            longest_input_tokens=bound,
            opaque_inputs=call.opaque_inputs,
            output_tokens=0 if capped is None else capped * call.choices,
            uncapped_answers=call.choices if capped is None else 0,
            media=call.terms.media,
        ),
        call.terms.pieces,
    )


class BatchLines:
    """The sums of a file, as its lines are added; `facts` is what is remembered of them."""

    def __init__(self, dialects: Mapping[str, Format]) -> None:
        """`dialects`: the formats of the requests, by the URL that a line names."""
        self._dialects = dialects
        self._shares: dict[str, Share] = {}
        self._urls: set[str] = set()
        self._lines = 0
        self._problem = ""

    def add(self, line: bytes) -> None:
        """Never raises: a line that cannot be metered is remembered as the file's problem."""
        if not line or self._problem:
            return
        self._lines += 1
        try:
            self._add(line)
        except BadCall as problem:
            self._problem = f"line {self._lines}: {problem.message}"

    def _add(self, line: bytes) -> None:
        document = read_object(line, SINGLE_KEYS)
        if not isinstance(document.get("body"), dict):
            raise wrong("body", "an object", document.get("body"))
        url = text_of(document, "url")
        dialect = self._dialects.get(url)
        if dialect is None:
            known = ", ".join(sorted(self._dialects))
            raise BadCall(f"its `url` cannot be metered in a batch; these can: {known}.")
        place = member(line, "body")
        call = dialect.read_call(Request(body=line[place.start : place.end], path=url))
        if call.model not in self._shares and len(self._shares) == MODELS_MAX:
            raise BadCall(f"it names more than {MODELS_MAX} models with those before it.")
        share = share_of(call, dialect)
        before = self._shares.get(call.model)
        self._shares[call.model] = share if before is None else before + share
        self._urls.add(url)

    def facts(self) -> dict[str, object]:
        return {
            "lines": self._lines,
            "problem": self._problem,
            "urls": sorted(self._urls),
            "models": {model: share.to_facts() for model, share in self._shares.items()},
        }


def lines_of(body: bytes, *, start: int, end: int) -> Iterator[bytes]:
    """The lines of a part of these bytes, without copying all of it at once."""
    while start < end:
        found = body.find(b"\n", start, end)
        stop = end if found < 0 else found
        yield body[start:stop].strip()
        start = stop + 1
