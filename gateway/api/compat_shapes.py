"""What the shapes of other vendors share: parameters we do not know are let pass, as they do, and
amounts are numbers of US dollars, for those clients read nothing else.

Such a number is a rounded picture of an exact amount; nothing is ever computed with it.
"""

from pydantic import ConfigDict

from gateway.api.shapes import Query
from gateway.metering.history import DAY_MS


class LenientQuery(Query):
    model_config = ConfigDict(extra="ignore", frozen=True)


def dollars(ucr: int, *, usd_nanos_per_credit: int) -> float:
    return ucr * usd_nanos_per_credit / 10**15


def day_start_ms(time_ms: int) -> int:
    return time_ms - time_ms % DAY_MS
