"""What follows from a request's head alone, and is needed for each call."""

from gateway.dialects.endpoints import Match
from gateway.values import call_value


@call_value
class Crossing:
    """What goes on to a provider of the caller's fields, as it is written."""

    way: tuple[str, bool, bool]
    """What that depends on beside the head."""
    lines: bytes
    announced: bool
    """A length was."""


class Notes:
    """Written by whoever works it out, and read by nobody else.

    Requests that say the same share one, so it is worked out once for all of them. What may change
    meanwhile does not belong here: whether a key is valid, whether anything is served at all.
    """

    __slots__ = ("crossing", "looked_up", "matched")

    def __init__(self) -> None:
        self.matched: Match | None = None
        """What the tables have for the path."""
        self.looked_up = ""
        """Under what the key is looked up with which such a request was let in."""
        self.crossing: Crossing | None = None
        """The last one's."""
