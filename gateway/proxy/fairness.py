"""How many calls run at once in this worker, and how many of them may be one account's.

An account gets another place while it has fewer than are free. So a single busy account takes at
most half, two a third each, and somebody new always finds room: nobody's share is configured, and
nobody's places stand empty for others. Decided before the body is read. Lives in one worker; what
an account may do in all of them together is its plan's limits.
"""

from gateway.errors import Overloaded

RETRY_AFTER_S = 1.0


class Places:
    def __init__(self, calls_max: int) -> None:
        self._free = calls_max
        self._taken: dict[str, int] = {}

    def take(self, account_id: str) -> None:
        """One, to be given back. Raises Overloaded where the account has its share."""
        mine = self._taken.get(account_id, 0)
        if mine >= self._free:
            raise Overloaded(
                "The gateway is busy, and this account has its share of it. Send the call again.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._taken[account_id] = mine + 1
        self._free -= 1

    def give_back(self, account_id: str) -> None:
        self._free += 1
        left = self._taken.pop(account_id) - 1
        if left:
            self._taken[account_id] = left
