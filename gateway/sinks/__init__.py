"""The sinks there are: for the options of each, what makes it. One file a sink.

Whoever composes the gateway calls `make_sink`; the planes see `sinks.base` only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sinks.base import Limits, MeterSink, RecordSink
from gateway.sinks.clickhouse import ClickHouseOptions, ClickHouseSink
from gateway.sinks.json_lines import JsonLinesOptions, JsonLinesSink
from gateway.sinks.kafka import KafkaOptions, KafkaSink
from gateway.sinks.lago import LagoOptions, LagoSink
from gateway.sinks.openmeter import OpenMeterOptions, OpenMeterSink
from gateway.sinks.postgres import PostgresOptions, PostgresSink
from gateway.sinks.stripe import StripeOptions, StripeSink
from gateway.sinks.totals import TotalsOptions, TotalsSink
from gateway.sinks.webhook import WebhookOptions, WebhookSink

SinkOptions = (
    JsonLinesOptions
    | WebhookOptions
    | StripeOptions
    | OpenMeterOptions
    | LagoOptions
    | PostgresOptions
    | ClickHouseOptions
    | KafkaOptions
    | TotalsOptions
)


@dataclass(frozen=True, slots=True)
class Around:
    """What a sink may need of the process it runs in. `writer` names it among those that write
    beside it; `now_ms` is the ledger's clock."""

    writer: str
    now_ms: Callable[[], int]


# Any: each maker takes the options it stands beside.
MAKERS: Mapping[type, Callable[[str, Any, Limits, Around], RecordSink | MeterSink]] = {
    JsonLinesOptions: lambda name, options, limits, around: JsonLinesSink(
        name, options, limits, writer=around.writer, now_ms=around.now_ms
    ),
    WebhookOptions: lambda name, options, limits, around: WebhookSink(
        name, options, limits, now_ms=around.now_ms
    ),
    StripeOptions: lambda name, options, limits, _: StripeSink(name, options, limits),
    OpenMeterOptions: lambda name, options, limits, _: OpenMeterSink(name, options, limits),
    LagoOptions: lambda name, options, limits, _: LagoSink(name, options, limits),
    PostgresOptions: lambda name, options, limits, _: PostgresSink(name, options, limits),
    ClickHouseOptions: lambda name, options, limits, _: ClickHouseSink(name, options, limits),
    KafkaOptions: lambda name, options, limits, _: KafkaSink(name, options, limits),
    TotalsOptions: lambda name, options, limits, around: TotalsSink(
        name, options, limits, writer=around.writer
    ),
}


def make_sink(
    name: str, options: SinkOptions, limits: Limits, around: Around
) -> RecordSink | MeterSink:
    return MAKERS[type(options)](name, options, limits, around)
