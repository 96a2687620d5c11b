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

    def one(self, account_id: str) -> "Place":
        """To be left again. Raises Overloaded where the account has its share."""
        mine = self._taken.get(account_id, 0)
        if mine >= self._free:
            raise Overloaded(
                "The gateway is busy, and this account has its share of it. Send the call again.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._taken[account_id] = mine + 1
        self._free -= 1
        return Place(self, account_id)

    def given_back(self, account_id: str) -> None:
        self._free += 1
        left = self._taken.pop(account_id) - 1
        if left:
            self._taken[account_id] = left


class Place:
    """One that is taken, until its block is left. (A generator's costs each call a microsecond.)"""

    __slots__ = ("_account_id", "_places")

    def __init__(self, places: Places, account_id: str) -> None:
        self._places = places
        self._account_id = account_id

    def __enter__(self) -> None:
        """It was taken before."""

    def __exit__(self, *_: object) -> None:
        self._places.given_back(self._account_id)
