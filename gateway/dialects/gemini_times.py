"""Durations and moments as Google's JSON writes them: `"3600s"`, `"2026-11-26T10:00:00.5Z"`.

Source: ProtoJSON format, protobuf.dev, `Duration` and `Timestamp` (read 2026-11-26).
"""

import re
from datetime import datetime

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)s")


def seconds_of(duration: object) -> float | None:
    """None for what is no duration."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    return float(found[1]) if found else None


def epoch_s(moment: object) -> float | None:
    """None for what is no moment with a time zone."""
    if not isinstance(moment, str):
        return None
    try:
        read = datetime.fromisoformat(moment)
        return None if read.tzinfo is None else read.timestamp()
    except (ValueError, OverflowError):
        return None
