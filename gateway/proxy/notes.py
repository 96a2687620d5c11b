"""What follows from a request's head alone, and is needed for each call."""

from gateway.dialects.endpoints import Match


class Notes:
    """Written by whoever works it out, and read by nobody else.

    Requests that say the same share one, so it is worked out once for all of them. What may change
    meanwhile does not belong here: whether a key is valid, whether anything is served at all.
    """

    __slots__ = ("looked_up", "matched")

    def __init__(self) -> None:
        self.matched: Match | None = None
        """What the tables have for the path."""
        self.looked_up = ""
        """Under what the key is looked up with which such a request was let in."""
