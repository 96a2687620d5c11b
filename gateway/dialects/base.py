"""A dialect: one wire format, as pure functions. Bytes in, facts out; it never touches a socket.

Adding one is one file that implements `Dialect`, one row in `dialects/__init__.py`, its rows in the
endpoint tables, and its transcripts in `tests/transcripts/<name>/`. Keys, errors and rate-limit
headers are not its business but those of the API it belongs to (`Api`): all formats of one vendor
share them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.dialects.limit_headers import Told
from gateway.errors import GatewayError
from gateway.metering.call import Call
from gateway.metering.limits import Charge
from gateway.metering.usage import Usage
from gateway.values import call_value, maker, small_value


@call_value
class Request:
    """What a dialect sees of a request."""

    body: bytes
    path: str = ""
    """Undecoded, without the query."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """The path's segments by the names that its endpoint gives them; undecoded."""
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    """As it came, parameters included."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Case-insensitive; a field that came twice is among the items twice."""
    now_ms: int = 0
    """When it came, by the ledger's clock."""
    known: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What is remembered of the stored objects that it names, by their ids."""


make_request = maker(Request)
"""For what each call has."""


@small_value
class Prepared:
    """What goes to the provider. `hide_usage`: we asked for a usage event the caller did not.

    `path`: in place of the caller's, where a model's name stands in it; None leaves it alone.
    """

    body: bytes
    hide_usage: bool = False
    path: str | None = None


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """Text the model produced. Pieces with the same `stream` belong together, in order:
    one choice's content, one tool call's arguments; each stream is counted on its own."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptParts:
    """Everything in a prompt that becomes tokens, for an exact count."""

    texts: Sequence[str]
    fixed_tokens: int = 0
    """Framing, and images at the price of text: known without a tokenizer."""
    audio_tokens: int = 0
    image_tokens: int = 0
    """Images that are priced apart from text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """An error as the caller's SDK expects it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@small_value
class Reported:
    """The usage an answer reports. `unmapped`: the numbers in it that the dialect's mapping table
    does not name, by dotted path; none of them is part of `usage`."""

    usage: Usage
    unmapped: Mapping[str, int | float] = field(default_factory=dict)


class AnswerReader(Protocol):
    """Watches a copy of one answer. `feed` is cheap and keeps the bytes; `digest` parses them.

    Malformed input never raises: what cannot be read counts as produced nothing we can see, and
    nothing is reported.
    """

    @property
    def pending_bytes(self) -> int:
        """Fed and not digested. A token takes at least one of them: a safe bound."""
        ...

    def feed(self, data: bytes) -> None: ...

    def digest(self) -> list[OutputPiece]:
        """Parse what was fed since the last digest; complete events only."""
        ...

    def close(self) -> Reported | None:
        """The answer is over: the usage it reported, if any. Only looks at what is needed, so
        it is cheap even when nothing was digested. Call `digest` after it for the text that
        remains uncounted when it answers None."""
        ...

    @property
    def so_far(self) -> Usage | None:
        """What an unfinished answer has reported in what was digested: exact for its input where
        a format tells that first, a lower bound for its output. None if it told nothing yet."""
        ...

    @property
    def extra(self) -> Usage:
        """What was digested that is in no text: tool-call framing, spoken or painted output, and
        whatever is sold by the piece."""
        ...

    def boundary(self, data: bytes, start: int) -> int:
        """Where the event ends that `data[start:]` begins with, or goes on with if what was fed
        had its beginning, so that an ending of ours may follow there; -1 while it is incomplete. A
        format that cannot be cut never has one."""
        ...

    def withdraw(self) -> None:
        """The one event that the last digest read was not relayed: no ending may build on it."""
        ...

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:
        """What ends this stream cleanly because credit is gone: finish reason `length` for each
        choice still open, the usage event if asked for, the terminator. Needs all digested."""
        ...


class BodyFilter(Protocol):
    """Drops the one event we asked for on the caller's behalf; everything else passes unchanged,
    and nothing complete is ever held back."""

    def feed(self, data: bytes) -> bytes: ...

    def close(self) -> bytes: ...


class Format(Protocol):
    """What admission needs to know of any wire format."""

    @property
    def name(self) -> str: ...

    def read_call(self, request: Request) -> Call:
        """Raises BadCall with the field at fault. Duplicate keys that matter are refused."""
        ...

    def prompt_parts(self, call: Call) -> PromptParts: ...

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        """Never below the prompt's true size, and cheap: no tokenizer."""
        ...


class Dialect(Format, Protocol):
    """A format of one request and one answer."""

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        """The caller's bytes with the smallest splice: model alias, usage asked for."""
        ...

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        """`content_type` of the answer: lower case, without parameters."""
        ...

    def usage_filter(self) -> BodyFilter:
        """For a stream whose usage event must be hidden again (`Prepared.hide_usage`)."""
        ...


class Api(Protocol):
    """A vendor's conventions, shared by its dialects."""

    @property
    def name(self) -> str: ...

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> Told:
        """This API's own rate-limit headers, and the generic `RateLimit` ones.

        `rooms` as the ledger answered them, in the charges' order."""
        ...

    def render_error(self, error: GatewayError, *, request_id: str = "") -> Rendered:
        """`request_id`: for an API whose errors carry one."""
        ...
