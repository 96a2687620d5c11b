"""Time cut into buckets, page by page: the frame that usage and costs are told in.

The frame is OpenAI's (https://platform.openai.com/docs/api-reference/usage, seen 2026-11): a page
of buckets with a list of results each; `next_page` goes on. Buckets are whole: those that
`start_time` and `end_time` fall into are told in full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import BeforeValidator, Field

from gateway.api.shapes import Reply
from gateway.api.whose import AccountQuery
from gateway.errors import BadCall
from gateway.metering.history import DAY_MS, HOUR_MS, MINUTE_MS

# Buckets of a page: as many as asked for, at most, by width.
LIMITS: Mapping[str, tuple[int, int, int]] = {
    "1m": (MINUTE_MS, 60, 1440),
    "1h": (HOUR_MS, 24, 168),
    "1d": (DAY_MS, 7, 400),
}
# The year 2286: enough for any question, and within every integer.
TIME_MAX_S = 9_999_999_999
PAGE_PREFIX = "page_"
NAMES_MAX = 50


def split(value: object) -> object:
    """A list as it stands in a query: separated by commas."""
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
    BeforeValidator(split),
    Field(max_length=NAMES_MAX),
]
Seconds = Annotated[int, Field(ge=0, le=TIME_MAX_S)]


class TimeQuery(AccountQuery):
    """What time, in which pieces."""

    start_time: Seconds
    """Unix seconds."""
    end_time: Seconds | None = None
    """Unix seconds, not included; now, if it is left out."""
    bucket_width: Literal["1m", "1h", "1d"] = "1d"
    """UTC minutes, hours or days."""
    limit: Annotated[int, Field(ge=1, le=1440)] | None = None
    """Buckets on a page: 60 minutes, 24 hours or 7 days, if it is left out; at most 1440, 168
    or 400."""
    page: Annotated[str, Field(max_length=40)] = ""
    """`next_page` of the page before."""


class BucketQuery(TimeQuery):
    """Which calls, of what time, in which pieces."""

    models: Names = ()
    """Only these."""
    api_key_ids: Names = ()
    """Only these."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole buckets, from `start_ms` up to `end_ms`; `next_page` None: there are no more."""

    start_ms: int
    end_ms: int
    width_ms: int
    next_page: str | None

    @property
    def starts_ms(self) -> range:
        return range(self.start_ms, self.end_ms, self.width_ms)


def span_of(query: TimeQuery, *, now_ms: int) -> Span:
    """The page asked for. Raises BadCall."""
    width_ms, limit, most = LIMITS[query.bucket_width]
    if query.limit is not None and query.limit > most:
        raise BadCall(f"limit: at most {most} buckets of {query.bucket_width} fit on a page.")
    start_ms = _page_start_ms(query) // width_ms * width_ms
    end_ms = now_ms + 1 if query.end_time is None else query.end_time * 1000
    end_ms = -(-end_ms // width_ms) * width_ms
    page_end_ms = min(end_ms, start_ms + (query.limit or limit) * width_ms)
    next_page = f"{PAGE_PREFIX}{page_end_ms // 1000}" if page_end_ms < end_ms else None
    return Span(start_ms, max(start_ms, page_end_ms), width_ms, next_page)


def _page_start_ms(query: TimeQuery) -> int:
    if not query.page:
        return query.start_time * 1000
    seconds = query.page.removeprefix(PAGE_PREFIX)
    if not (query.page.startswith(PAGE_PREFIX) and seconds.isascii() and seconds.isdigit()):
        raise BadCall("page: send what came as next_page, unchanged.")
    return min(int(seconds), TIME_MAX_S) * 1000


class InBucket(Protocol):
    @property
    def bucket_ms(self) -> int: ...


Sum = TypeVar("Sum", bound=InBucket)


def by_bucket(span: Span, sums: Sequence[Sum]) -> Mapping[int, Sequence[Sum]]:
    """Every bucket of the span, those in which nothing happened too."""
    buckets: dict[int, list[Sum]] = {start_ms: [] for start_ms in span.starts_ms}
    for each in sums:
        buckets[each.bucket_ms].append(each)
    return buckets


class BucketFrame(Reply):
    object: Literal["bucket"] = "bucket"
    start_time: int
    end_time: int


class PageFrame(Reply):
    object: Literal["page"] = "page"
    has_more: bool
    next_page: str | None
