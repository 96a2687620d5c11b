"""Marks on the way to an empty account, of which its owner wants to be told.

An alert is written as the part that is used up (`80%`), or as the credits that are left (`20`).
Percentages are of what the account had when credit last came in and lifted it above all of its
marks, or at least doubled it, or when a period of its allowance began. Each is told once, and again
only after the balance has been above its mark. The ledger watches the marks (`alerts.lua`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.metering.pricing import AMOUNT_MAX_UCR, UCR_PER_CREDIT

ALL_PERCENT = 100
ALERTS_MAX = 10
"""Of one account: each is looked at whenever its balance moves."""
ALERT = re.compile(r"([0-9]{1,3})%|([0-9]{1,10})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True, slots=True)
class Alert:
    """`name` as it was written. One of the two is None."""

    name: str
    left_percent: int | None = None
    left_ucr: int | None = None

    @property
    def words(self) -> str:
        """As the ledger keeps it."""
        if self.left_percent is not None:
            return f"{self.name} p{self.left_percent}"
        return f"{self.name} u{self.left_ucr}"


def alert_of(text: str) -> Alert | None:
    """None for what is no alert."""
    match = ALERT.fullmatch(text)
    if match is None:
        return None
    if match[1]:
        used = int(match[1])
        return Alert(text, left_percent=ALL_PERCENT - used) if 0 < used <= ALL_PERCENT else None
    left_ucr = int(match[2]) * UCR_PER_CREDIT + int((match[3] or "").ljust(6, "0"))
    return Alert(text, left_ucr=left_ucr) if left_ucr <= AMOUNT_MAX_UCR else None


def alerts_named(texts: Iterable[str]) -> tuple[Alert, ...]:
    """Those of them that are alerts."""
    return tuple(alert for alert in map(alert_of, texts) if alert is not None)


def alerts_text(alerts: Iterable[Alert]) -> str:
    return " ".join(alert.words for alert in alerts)
