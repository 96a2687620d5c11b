"""Where the calls of each key are counted in the current minute: made out for the first of them.

The same for all its calls until the minute is over, or its limits are others; to look that up by
the limits themselves would compare each of them with every call.
"""

from gateway.metering.accounts import Account, Caller, Project, VirtualKey
from gateway.metering.limits import MINUTE_MS, Slot, slots
from gateway.metering.plans import Plan
from gateway.values import small_value

KEYS_MAX = 10_000


@small_value
class _Known:
    """`slots` in the minute `minute`, for a key of which the rest is known."""

    minute: int
    key: VirtualKey
    account: Account
    project: Project | None
    plan: Plan
    slots: tuple[Slot, ...]


class Slots:
    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def of(self, caller: Caller, now_ms: int) -> tuple[Slot, ...]:
        minute, key = now_ms // MINUTE_MS, caller.key
        known = self._known.get(key.key_id)
        # Whatever is changed or read anew is another object.
        if (
            known is not None
            and known.minute == minute
            and known.key is key
            and known.account is caller.account
            and known.project is caller.project
            and known.plan is caller.plan
        ):
            return known.slots
        found = slots(caller.limits, caller.whose, minute)
        if len(self._known) >= KEYS_MAX:
            self._known.clear()
        self._known[key.key_id] = _Known(
            minute, key, caller.account, caller.project, caller.plan, found
        )
        return found
