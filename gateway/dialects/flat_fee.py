"""What costs the same for each request that succeeds: containers made, vector stores searched.

Nothing of the answer matters, and there is no model: the rate card has a line of that name. A
container is charged when it is made, for one session (20 minutes; OpenAI bills further ones by the
same price while it stays in use, and does not say when). Source: OpenAI pricing, "Tools", and API
reference, "Create container" and "Search vector store" (read 2026-11-26).
"""

import re
from collections.abc import Callable

from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.json_ends import EndsReader, JsonEnds
from gateway.dialects.passing import Passing
from gateway.metering.call import Call, Terms

MEMORY_KEYS = SingleKeys(("memory_limit",))
# What OpenAI gives a container that asks for none.
DEFAULT_MEMORY = "1g"
_MEMORY = re.compile(r"[0-9]{1,4}[a-z]", re.ASCII)


class FlatFee:
    """Implements `Dialect`. `model`: the line of the rate card; `piece`: what a request uses one
    of. Raises BadCall, as that does."""

    def __init__(self, name: str, *, model: str, piece: Callable[[Request], str]) -> None:
        self.name = name
        self._model = model
        self._piece = piece

    def read_call(self, request: Request) -> Call:
        one = ((self._piece(request), 1),)
        return Call(
            model=self._model,
            unrouted=True,
            max_output_tokens=0,
            owed=one,
            terms=Terms(pieces=one),
        )

    def prompt_parts(self, call: Call) -> PromptParts:  # noqa: ARG002 (the protocol's)
        return PromptParts(texts=())

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:  # noqa: ARG002 (the protocol's)
        return 0

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:  # noqa: ARG002 (the protocol's)
        return Prepared(request.body)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return EndsReader(_nothing)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def container(request: Request) -> str:
    """`container.<memory>`: larger ones cost more."""
    memory = read_object(request.body, MEMORY_KEYS).get("memory_limit", DEFAULT_MEMORY)
    if not isinstance(memory, str) or not _MEMORY.fullmatch(memory):
        raise wrong("memory_limit", "a size such as 4g", memory)
    return f"container.{memory}"


def file_search(request: Request) -> str:  # noqa: ARG001 (any search costs the same)
    return "file_search"


def _nothing(answer: JsonEnds) -> Reported | None:  # noqa: ARG001 (whatever it is)
    return None
