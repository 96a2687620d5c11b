"""Periods of a recurring allowance: days, weeks and months without gap or overlap.

All periods of one kind follow from an anchor, a moment at which one of them begins: counted from
there and never from the period before, so that an account which began on the 31st is due on the
28th of February and on the 31st of March again (as billing systems do it: Stripe's documentation of
`billing_cycle_anchor`, seen in November 2026). Days are UTC, where every one has 24 hours.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
# 1970-01-05 was a Monday.
MONDAY_MS = 4 * DAY_MS
MONTHS = 12
EPOCH = date(1970, 1, 1).toordinal()


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Anchor(StrEnum):
    """CALENDAR: midnight UTC, Mondays, the first of the month. ACCOUNT: when the account began."""

    CALENDAR = "calendar"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_ms`, included, to `end_ms`, not included."""

    start_ms: int
    end_ms: int

    def __contains__(self, moment_ms: int) -> bool:
        return self.start_ms <= moment_ms < self.end_ms

    def share_after(self, moment_ms: int, amount: int) -> int:
        """The part of `amount` for the time from that moment of the period on, rounded up."""
        left_ms, whole_ms = self.end_ms - moment_ms, self.end_ms - self.start_ms
        return -(-amount * left_ms // whole_ms)


def calendar_anchor(every: Every) -> int:
    return MONDAY_MS if every is Every.WEEK else 0


def period_around(moment_ms: int, *, every: Every, anchor_ms: int) -> Period:
    """`anchor_ms` may lie before or after the moment."""
    if every is Every.MONTH:
        number = _months(moment_ms) - _months(anchor_ms)
        if _month_start(anchor_ms, number) > moment_ms:
            number -= 1
        return Period(_month_start(anchor_ms, number), _month_start(anchor_ms, number + 1))
    length_ms = DAY_MS if every is Every.DAY else WEEK_MS
    start_ms = moment_ms - (moment_ms - anchor_ms) % length_ms
    return Period(start_ms, start_ms + length_ms)


def periods_later(period: Period, count: int, *, every: Every, anchor_ms: int) -> Period:
    """The one so many periods after this one."""
    for _ in range(count):
        period = period_around(period.end_ms, every=every, anchor_ms=anchor_ms)
    return period


def _months(moment_ms: int) -> int:
    day = datetime.fromtimestamp(moment_ms // 1000, UTC)
    return day.year * MONTHS + day.month - 1


def _month_start(anchor_ms: int, number: int) -> int:
    """The anchor's day and time, `number` months later; the month's last day if it has no such."""
    days, in_day_ms = divmod(anchor_ms, DAY_MS)
    wanted = date.fromordinal(EPOCH + days).day
    year, month = divmod(_months(anchor_ms) + number, MONTHS)
    last = monthrange(year, month + 1)[1]
    start = date(year, month + 1, min(wanted, last))
    return (start.toordinal() - EPOCH) * DAY_MS + in_day_ms
