"""Wire formats by name. A new one is one file, one row here, and its transcripts."""

from collections.abc import Mapping
from typing import Protocol

from gateway.dialects.base import Dialect
from gateway.dialects.openai_chat import OpenAIChat


class DialectFactory(Protocol):
    """`quota_status` overrides the status of a call refused because credit is gone."""

    def __call__(self, *, quota_status: int | None = None) -> Dialect: ...


DIALECTS: Mapping[str, DialectFactory] = {
    "openai_chat": OpenAIChat,
}


def dialects(*, quota_status: int | None) -> Mapping[str, Dialect]:
    """One of each, by name."""
    return {name: make(quota_status=quota_status) for name, make in DIALECTS.items()}
