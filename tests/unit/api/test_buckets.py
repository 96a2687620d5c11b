"""Time cut into pages of whole buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.buckets import BucketQuery, span_of, split
from gateway.errors import BadCall

NOW_MS = 1_700_000_000_123
WIDTHS_MS = {"1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}


@given(
    width=st.sampled_from(["1m", "1h", "1d"]),
    ago_s=st.integers(0, 400_000),
    length_s=st.integers(0, 400_000),
    limit=st.integers(1, 168),
)
def test_the_pages_cover_the_time_asked_for_once(width, ago_s, length_s, limit):
    start_s = NOW_MS // 1000 - ago_s
    query = BucketQuery(
        start_time=start_s, end_time=start_s + length_s, bucket_width=width, limit=limit
    )
    width_ms, found = WIDTHS_MS[width], []
    while True:
        span = span_of(query, now_ms=NOW_MS)
        found += span.starts_ms
        assert len(span.starts_ms) <= limit
        if span.next_page is None:
            break
        query = query.model_copy(update={"page": span.next_page})

    first_ms = start_s * 1000 // width_ms * width_ms
    end_ms = -(-(start_s + length_s) * 1000 // width_ms) * width_ms
    assert list(range(first_ms, end_ms, width_ms)) == found


def test_without_an_end_the_last_bucket_is_the_current_one():
    span = span_of(BucketQuery(start_time=NOW_MS // 1000 - 90_000), now_ms=NOW_MS)

    assert span.starts_ms[-1] <= NOW_MS < span.end_ms
    assert span.next_page is None


def test_an_end_before_the_start_is_a_page_without_buckets():
    span = span_of(BucketQuery(start_time=1_000_000, end_time=10), now_ms=NOW_MS)

    assert ([], None) == (list(span.starts_ms), span.next_page)


@pytest.mark.parametrize("page", ["5", "page_", "page_x", "page_²", "page_-1"])
def test_a_page_that_was_never_given_out_is_refused(page):
    with pytest.raises(BadCall):
        span_of(BucketQuery(start_time=0, page=page), now_ms=NOW_MS)


def test_a_list_is_separated_by_commas():
    assert ("a", "b") == split("a,,b,")
    assert () == split("")
