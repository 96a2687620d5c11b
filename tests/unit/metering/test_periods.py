"""Periods of days, weeks and months: where they begin, and that nothing falls between two."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.periods import (
    DAY_MS,
    WEEK_MS,
    Every,
    calendar_anchor,
    period_around,
    periods_later,
)

moments = st.integers(min_value=0, max_value=4_000_000_000_000)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


def text(moment_ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms)).strftime(
        "%Y-%m-%d %H:%M"
    )


@pytest.mark.parametrize(
    ("every", "moment", "start", "end"),
    [
        (Every.DAY, "2026-03-29 02:30", "2026-03-29 00:00", "2026-03-30 00:00"),
        (Every.WEEK, "2026-11-26 12:00", "2026-11-23 00:00", "2026-11-30 00:00"),
        (Every.WEEK, "2027-01-01 00:00", "2026-12-28 00:00", "2027-01-04 00:00"),
        (Every.MONTH, "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        (Every.MONTH, "2028-02-29 10:00", "2028-02-01 00:00", "2028-03-01 00:00"),
    ],
)
def test_calendar_periods(every, moment, start, end):
    period = period_around(ms(moment), every=every, anchor_ms=calendar_anchor(every))

    assert (start, end) == (text(period.start_ms), text(period.end_ms))


@pytest.mark.parametrize(
    ("anchor", "starts"),
    [
        ("2026-01-31 10:15", ["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ("2028-01-30 00:00", ["01-30", "02-29", "03-30", "04-30", "05-30"]),
        ("2026-01-15 23:59", ["01-15", "02-15", "03-15", "04-15", "05-15"]),
    ],
)
def test_months_of_an_account_go_by_its_day_and_come_back_to_it(anchor, starts):
    anchor_ms = ms(anchor)
    first = period_around(anchor_ms, every=Every.MONTH, anchor_ms=anchor_ms)

    found = [
        text(periods_later(first, count, every=Every.MONTH, anchor_ms=anchor_ms).start_ms)
        for count in range(5)
    ]

    assert [f"{anchor[:5]}{day} {anchor[11:]}" for day in starts] == found


@given(every=st.sampled_from(Every), anchor_ms=moments, moment_ms=moments)
def test_each_moment_lies_in_one_period_and_they_meet(every, anchor_ms, moment_ms):
    """Whether the anchor lies before the moment or after it."""
    period = period_around(moment_ms, every=every, anchor_ms=anchor_ms)
    after = period_around(period.end_ms, every=every, anchor_ms=anchor_ms)

    assert moment_ms in period
    assert period_around(period.start_ms, every=every, anchor_ms=anchor_ms) == period
    assert period_around(period.end_ms - 1, every=every, anchor_ms=anchor_ms) == period
    assert after.start_ms == period.end_ms


@given(every=st.sampled_from(Every), anchor_ms=moments)
def test_a_period_begins_at_the_anchor(every, anchor_ms):
    assert anchor_ms == period_around(anchor_ms, every=every, anchor_ms=anchor_ms).start_ms


@given(anchor_ms=moments, moment_ms=moments)
def test_months_keep_day_and_time_of_the_anchor_as_far_as_they_have_them(anchor_ms, moment_ms):
    period = period_around(moment_ms, every=Every.MONTH, anchor_ms=anchor_ms)
    start = datetime.fromtimestamp(period.start_ms // 1000, UTC)
    wanted = datetime.fromtimestamp(anchor_ms // 1000, UTC).day

    assert min(wanted, monthrange(start.year, start.month)[1]) == start.day
    assert anchor_ms % DAY_MS == period.start_ms % DAY_MS


@given(every=st.sampled_from([Every.DAY, Every.WEEK]), anchor_ms=moments, moment_ms=moments)
def test_days_and_weeks_are_always_of_one_length(every, anchor_ms, moment_ms):
    period = period_around(moment_ms, every=every, anchor_ms=anchor_ms)

    length_ms = DAY_MS if every is Every.DAY else WEEK_MS
    assert length_ms == period.end_ms - period.start_ms


@given(
    every=st.sampled_from(Every),
    anchor_ms=moments,
    moment_ms=moments,
    amount=st.integers(1, 2**53 - 1),
)
def test_a_part_is_never_more_than_the_whole_and_never_nothing(every, anchor_ms, moment_ms, amount):
    period = period_around(moment_ms, every=every, anchor_ms=anchor_ms)

    assert amount == period.share_after(period.start_ms, amount)
    assert 1 <= period.share_after(moment_ms, amount) <= amount
