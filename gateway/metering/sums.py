"""Sums of usage, for sinks that count by themselves: what is told of many records at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sum of several records. Fixed and stored before it is first sent, so that whoever sends
    it again sends the same: the other side counts an `identifier` once, for a while.

    `first_sent_ms`: before that it cannot have reached the other side; 0 until it is stored.
    """

    identifier: str
    meter: str
    customer: str
    model: str
    provider: str
    token_class: str
    value: int
    minute_ms: int
    first_sent_ms: int = 0

    @property
    def counted_under(self) -> str:
        """What the other side can be asked for: a customer's sum on a meter in a minute."""
        return f"{self.minute_ms} {self.meter} {self.customer}"
