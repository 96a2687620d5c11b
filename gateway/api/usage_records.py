"""GET /usage/records: each call by itself, as JSON, as JSON lines or as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

import orjson
from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.balance import usd
from gateway.api.buckets import TIME_MAX_S, Names, Seconds
from gateway.api.operation import Asked, Audience, Operation, Text
from gateway.api.resources import Resources
from gateway.api.shapes import Moment, Page, Query, Reply, moment
from gateway.api.whose import AccountQuery, account_of
from gateway.errors import HistoryUnavailable
from gateway.metering.admission import decimal_credits
from gateway.metering.history import Record
from gateway.metering.usage import TokenClass

NDJSON = "application/x-ndjson"
CSV = "text/csv"
# Spreadsheets take what begins with these for a formula, whatever stands behind.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RecordsQuery(AccountQuery):
    """Which calls, and how they are told."""

    start_time: Seconds = 0
    """Unix seconds."""
    end_time: Seconds = TIME_MAX_S
    """Unix seconds, not included."""
    cursor: Annotated[str, Field(pattern="^[0-9]{0,18}$")] = ""
    """`next_cursor` of the page before; for ndjson and csv it came as the header x-next-cursor."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    format: Literal["json", "ndjson", "csv"] = "json"
    models: Names = ()
    """Only these."""
    api_key_ids: Names = ()
    """Only these."""


class RecordReply(Reply):
    """A call as it was charged. Flat: numbers and text only, and never a prompt or an answer."""

    id: str
    request_id: str
    time: Moment
    """When it was charged."""
    kind: str
    """`settled`; `expired`: its process died, and its last checkpoint was charged; `late`: what a
    settlement after that added, which may be less than nothing of a class."""
    account_id: str
    api_key_id: str
    provider: str
    dialect: str
    model_requested: str
    model: str
    num_model_requests: int
    """0 for the second record of a call."""
    input_tokens: int
    input_uncached_tokens: int
    input_cache_read_tokens: int
    input_cache_write_5m_tokens: int
    input_cache_write_1h_tokens: int
    input_audio_tokens: int
    input_image_tokens: int
    output_tokens: int
    output_text_tokens: int
    output_reasoning_tokens: int
    output_audio_tokens: int
    output_image_tokens: int
    pieces: str
    """What is sold by the piece: `image=1 web_search=2`."""
    service_tier: str
    provenance: str
    """`reported` by the provider, `counted` by us, or `held`: the hold was charged."""
    end: str
    http_status: int
    stream: bool
    rate_version: str
    charge_microcredits: int
    charge_credits: str
    charge_usd: str
    hold_microcredits: int
    debt_microcredits: int
    observed_microcredits: int
    started_at: Moment
    first_byte_ms: int
    duration_ms: int


class RecordPage(Page[RecordReply]):
    """Newest first."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_records(asked: Asked[Query]) -> RecordPage | Text:
        known = cast("Asked[RecordsQuery]", asked)
        query = known.query
        found = await resources.history.records(
            account_of(known),
            start_ms=query.start_time * 1000,
            end_ms=query.end_time * 1000,
            before=int(query.cursor) if query.cursor else None,
            limit=query.limit + 1,
            models=query.models,
            keys=query.api_key_ids,
        )
        page, more = found[: query.limit], len(found) > query.limit
        rows = [_told(each, resources.usd_nanos_per_credit) for each in page]
        cursor = str(page[-1].record_id) if more else None
        if query.format == "json":
            return RecordPage(data=rows, next_cursor=cursor)
        return _export([row.model_dump() for row in rows], query.format, cursor)

    return (
        Operation(
            method="GET",
            path="/usage/records",
            name="listUsageRecords",
            summary="Each call, newest first: as JSON, JSON lines or CSV",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_records,
            query=RecordsQuery,
            answer=RecordPage,
            media=("application/json", NDJSON, CSV),
            errors=(HistoryUnavailable,),
        ),
    )


def _export(rows: Sequence[Mapping[str, object]], wanted: str, cursor: str | None) -> Text:
    headers = {} if cursor is None else {"x-next-cursor": cursor}
    if wanted == "ndjson":
        return Text(NDJSON, b"".join(orjson.dumps(row) + b"\n" for row in rows), headers)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(RecordReply.model_fields)
    writer.writerows([harmless(value) for value in row.values()] for row in rows)
    named = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return Text(f"{CSV}; charset=utf-8", text.getvalue().encode(), headers | named)


def harmless(value: object) -> object:
    """A text that a spreadsheet would calculate is marked as the text it is."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _told(record: Record, usd_nanos_per_credit: int) -> RecordReply:
    used = record.usage
    return RecordReply(
        id=str(record.record_id),
        request_id=record.request_id,
        time=moment(record.time_ms),
        kind=record.kind,
        account_id=record.account_id,
        api_key_id=record.key_id,
        provider=record.provider,
        dialect=record.dialect,
        model_requested=record.model_requested,
        model=record.model,
        num_model_requests=record.requests,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        **{f"{name}_tokens": getattr(used, name) for name in TokenClass},
        pieces=" ".join(f"{name}={count}" for name, count in record.pieces),
        service_tier=record.service_tier,
        provenance=record.provenance,
        end=record.end,
        http_status=record.http_status,
        stream=record.stream,
        rate_version=record.rate_version,
        charge_microcredits=record.charge_ucr,
        charge_credits=decimal_credits(record.charge_ucr),
        charge_usd=usd(record.charge_ucr, usd_nanos_per_credit=usd_nanos_per_credit),
        hold_microcredits=record.held_ucr,
        debt_microcredits=record.debt_ucr,
        observed_microcredits=record.observed_ucr,
        started_at=moment(record.started_ms),
        first_byte_ms=record.ttfb_ms,
        duration_ms=record.duration_ms,
    )
