"""What a running answer owes so far, told to the ledger regularly: what a crash then costs."""

from time import monotonic

from gateway.metering.usage import Provenance, Usage, UsageReport
from gateway.proxy.hold import Hold
from gateway.proxy.meter import Meter

# How often running calls are looked at: a client that left is noticed within this, and so are
# deadlines.
TICK_S = 0.25


class Checkpoints:
    """Of one hold. `meter` is None until an answer begins."""

    __slots__ = ("_checked_s", "_checkpoint_s", "_hold", "_renewed_s", "_told_tokens", "meter")

    def __init__(self, hold: Hold, *, checkpoint_s: float, meter: Meter | None = None) -> None:
        self._hold = hold
        # Looked at each TICK_S: due one look early, a checkpoint is never older than it may be.
        self._checkpoint_s = checkpoint_s - TICK_S
        self._checked_s = self._renewed_s = monotonic()
        self._told_tokens = 0
        self.meter = meter

    def tick(self, now_s: float) -> None:
        """Book what is owed if it is time; while that does not grow, only keep the lease alive."""
        if now_s - self._checked_s <= self._checkpoint_s:
            return
        self._checked_s = now_s
        meter = self.meter
        if meter is not None:
            meter.digest()
        grown = meter is not None and meter.counted_tokens > self._told_tokens
        if not grown and now_s - self._renewed_s < self._hold.renew_s:
            return
        self._renewed_s = now_s
        if meter is None:
            # Nothing produced that we know of: nothing is owed yet.
            self._hold.checkpoint(UsageReport(Usage(), Provenance.COUNTED))
        else:
            self._told_tokens = meter.counted_tokens
            self._hold.checkpoint(UsageReport(meter.usage_so_far(), Provenance.COUNTED))
