"""Spans and GenAI metrics for OpenTelemetry, sent by its SDK as OTLP over HTTP.

One span for each call, named as the conventions for generative AI have it
(https://opentelemetry.io/docs/specs/semconv/gen-ai/, seen 2026-11, in development: their names
stand here only). Never a prompt or a completion. Sending is done by threads of the SDK, from
bounded queues: what a collector does not take in time is lost, and no call waits for it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import cast

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.telemetry.closed_sets import OTHER
from gateway.telemetry.logs import CallLine
from gateway.telemetry.spans import Span

# Some seconds of spans at a thousand calls a second; more are dropped.
QUEUE_SPANS = 4_096
BATCH_SPANS = 512
SPANS_EVERY_MS = 1_000
METRICS_EVERY_MS = 15_000
# A worker that ends waits this long for a collector, twice at most.
SEND_S = 2
TEXT_CHARS_MAX = 256
HTTP_ERROR = 400

# Dialect → gen_ai.operation.name, where it is not "chat".
OPERATIONS = {
    "openai_completions": "text_completion",
    "anthropic_complete": "text_completion",
    "openai_embeddings": "embeddings",
    "gemini_embed": "embeddings",
    "gemini_generate": "generate_content",
}
CHATS = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "anthropic_vertex",
    "bedrock_messages",
)
# First word of a dialect → gen_ai.provider.name.
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "bedrock": "aws.bedrock",
}
DURATION_BOUNDS_S = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
TOKEN_BOUNDS = (
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16384,
    65536,
    262144,
    1048576,
    4194304,
    16777216,
    67108864,
)
# A collector that is away for long is told of no more often.
TELL_EVERY_S = 60.0

SDK_LOG = logging.getLogger("opentelemetry")


class SendFaults(logging.Handler):
    """What the SDK complains of, in any of its threads, becomes a word to the event loop. Its own
    lines are no JSON, and come for each attempt."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._told_s = -TELL_EVERY_S
        SDK_LOG.propagate = False
        SDK_LOG.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  its text is not ours to tell
        # A loop that is closed hears of nothing any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        now_s = self._loop.time()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self._on_lost()


class OtlpSpan:
    def __init__(self, span: SdkSpan) -> None:
        self.sdk = span

    @property
    def traceparent(self) -> bytes:
        context = self.sdk.get_span_context()
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        return f"00-{ids}-{int(context.trace_flags):02x}".encode()


class OtlpSpans:
    """Answers `spans.Spans`."""

    def __init__(
        self,
        url: str,
        *,
        worker_index: int,
        models: Collection[str],
        on_lost: Callable[[], None],
    ) -> None:
        self._faults = SendFaults(on_lost)
        resource = Resource.create(
            {
                "service.name": "tollkeeper",
                "service.version": __version__,
                "service.instance.id": f"{socket.gethostname()}-{worker_index}",
            }
        )
        self._models = frozenset(models)
        self._read = TraceContextTextMapPropagator()
        self._tracers = TracerProvider(
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attribute_length=TEXT_CHARS_MAX),
        )
        self._tracers.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(f"{url}/v1/traces", timeout=SEND_S),
                max_queue_size=QUEUE_SPANS,
                schedule_delay_millis=SPANS_EVERY_MS,
                max_export_batch_size=BATCH_SPANS,
            )
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{url}/v1/metrics", timeout=SEND_S),
            export_interval_millis=METRICS_EVERY_MS,
            export_timeout_millis=SEND_S * 1_000,
        )
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._tracers.get_tracer("tollkeeper", __version__)
        meter = self._meters.get_meter("tollkeeper", __version__)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDS_S,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BOUNDS,
        )

    def begin(self, traceparent: str) -> OtlpSpan:
        context = self._read.extract({"traceparent": traceparent}) if traceparent else None
        return OtlpSpan(self._tracer.start_span("call", context=context, kind=SpanKind.CLIENT))

    def end(self, span: Span, line: CallLine) -> None:
        sdk = cast(OtlpSpan, span).sdk
        common = _common(line)
        wrong = _error(line)
        if sdk.is_recording():
            sdk.update_name(f"{common['gen_ai.operation.name']} {line['model']}".rstrip())
            sdk.set_attributes({**common, "gen_ai.request.model": line["model"], **_facts(line)})
            if wrong:
                sdk.set_attribute("error.type", wrong)
                sdk.set_status(Status(StatusCode.ERROR))
        sdk.end()
        self._measure(line, common, wrong)

    def _measure(self, line: CallLine, common: dict[str, str], wrong: str) -> None:
        model = line["model"] if line["model"] in self._models else OTHER
        labels = {**common, "gen_ai.request.model": model}
        seconds = line["duration_ms"] / 1000
        self._duration.record(seconds, {**labels, "error.type": wrong} if wrong else labels)
        if line["provenance"]:
            for kind, count in (("input", line["input_tokens"]), ("output", line["output_tokens"])):
                self._tokens.record(count, {**labels, "gen_ai.token.type": kind})

    async def close(self) -> None:
        """Send what waits, if the collector takes it within some seconds."""
        await asyncio.to_thread(self._shut)
        SDK_LOG.removeHandler(self._faults)

    def _shut(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown(timeout_millis=SEND_S * 1_000)


def _common(line: CallLine) -> dict[str, str]:
    dialect = line["dialect"]
    operation = "chat" if dialect in CHATS else OPERATIONS.get(dialect, dialect or "unknown")
    vendor = PROVIDERS.get(dialect.partition("_")[0], line["provider"] or "unknown")
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": vendor}


def _error(line: CallLine) -> str:
    """A word of a closed set: the code of a refusal of ours, how it ended, or the status."""
    if line["reason"]:
        return line["reason"]
    if line["end"] in ("upstream_failed", "cut_by_shutdown"):
        return line["end"]
    return str(line["status"]) if line["status"] >= HTTP_ERROR else ""


def _facts(line: CallLine) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "http.response.status_code": line["status"],
        "tollkeeper.request_id": line["request_id"],
        "tollkeeper.account_id": line["account_id"],
        "tollkeeper.provider": line["provider"],
        "tollkeeper.ttfb_ms": line["ttfb_ms"],
    }
    if line["provenance"]:
        told |= {
            "gen_ai.usage.input_tokens": line["input_tokens"],
            "gen_ai.usage.output_tokens": line["output_tokens"],
            "tollkeeper.end": line["end"],
            "tollkeeper.provenance": line["provenance"],
            "tollkeeper.cost_ucr": line["cost_ucr"],
            "tollkeeper.held_ucr": line["held_ucr"],
        }
    return told
