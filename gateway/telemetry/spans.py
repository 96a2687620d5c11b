"""Spans as calls see them: begun when a request comes, ended with its log line; off by default.

What makes and sends them is `otlp`, which is imported only then.
"""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Protocol

from gateway.telemetry.logs import CallLine


class Span(Protocol):
    @property
    def traceparent(self) -> bytes:
        """The header by which the provider's own span becomes a child of this one."""
        ...


class Spans(Protocol):
    def begin(self, traceparent: str) -> Span:
        """`traceparent`: the caller's, as it came; empty or malformed, a new trace begins."""
        ...

    def end(self, span: Span, line: CallLine) -> None: ...


def installed() -> bool:
    """Whether the extra `otel` is there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


@asynccontextmanager
async def open_spans(
    otlp_url: str | None,
    *,
    worker_index: int,
    models: Collection[str],
    on_lost: Callable[[], None],
) -> AsyncIterator[Spans | None]:
    """None without a URL, and then nothing is loaded. Open it in the process that uses it: it has
    threads. `models`: those that may be a metric's attribute; `on_lost`: something was not sent."""
    if otlp_url is None:
        yield None
        return
    from gateway.telemetry.otlp import OtlpSpans  # noqa: PLC0415  0.2 s that most need not spend

    spans = OtlpSpans(otlp_url, worker_index=worker_index, models=models, on_lost=on_lost)
    try:
        yield spans
    finally:
        await spans.close()
