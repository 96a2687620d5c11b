"""A dialect: one wire format, as pure functions. Bytes in, facts out; it never touches a socket.

Adding one is one file that implements `Dialect`, one row in `dialects/__init__.py`, and its
transcripts in `tests/transcripts/<name>/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.errors import GatewayError
from gateway.metering.call import Call
from gateway.metering.limits import Charge
from gateway.metering.usage import Usage


@dataclass(frozen=True, slots=True)
class PreparedBody:
    """What goes to the provider. `hide_usage`: we asked for a usage event the caller did not."""

    body: bytes
    hide_usage: bool = False


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
    fixed_tokens: int
    """Framing, images, audio: known without a tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """An error as the caller's SDK expects it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class AnswerReader(Protocol):
    """Watches a copy of one answer. `feed` is cheap and keeps the bytes; `digest` parses them.

    Malformed input never raises: what cannot be read counts as produced nothing we can see, and
    `reported` stays None.
    """

    @property
    def pending_bytes(self) -> int:
        """Fed and not digested. A token takes at least one of them: a safe bound."""
        ...

    def feed(self, data: bytes) -> None: ...

    def digest(self) -> list[OutputPiece]:
        """Parse what was fed since the last digest; complete events only."""
        ...

    def close(self) -> Usage | None:
        """The answer is over: the usage it reported, if any. Only looks at what is needed, so
        it is cheap even when nothing was digested. Call `digest` after it for the text that
        remains uncounted when it answers None."""
        ...

    @property
    def finished(self) -> bool:
        """The answer ended the way its format says it should. Valid after `close`."""
        ...

    @property
    def extra_tokens(self) -> int:
        """Tokens of what was digested that are in no text: tool-call framing and the like."""
        ...

    @property
    def at_boundary(self) -> bool:
        """All fed bytes belong to complete events: an ending of ours may follow here."""
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


class Dialect(Protocol):
    @property
    def name(self) -> str: ...

    def presented_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """The virtual key the caller sent, by this API's own ways of sending one."""
        ...

    def read_call(self, body: bytes) -> Call:
        """Raises BadCall with the field at fault. Duplicate keys that matter are refused."""
        ...

    def prompt_parts(self, call: Call) -> PromptParts: ...

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        """Never below the prompt's true size, and cheap: no tokenizer."""
        ...

    def prepare_body(self, call: Call, body: bytes, *, upstream_model: str) -> PreparedBody:
        """The caller's bytes with the smallest splice: model alias, usage asked for."""
        ...

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader: ...

    def usage_filter(self) -> BodyFilter:
        """For a stream whose usage event must be hidden again."""
        ...

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> list[tuple[bytes, bytes]]:
        """This API's own rate-limit headers, and the generic `RateLimit` ones.

        `rooms` as the ledger answered them, in the charges' order."""
        ...

    def render_error(self, error: GatewayError) -> Rendered: ...
