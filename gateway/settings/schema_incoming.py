"""`incoming` as it is written: payment systems whose events become credit."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.fields import Block, Credits, Name, Reference

Currency = Annotated[str, Field(min_length=3, max_length=6)]
ExternalId = Annotated[str, Field(min_length=1, max_length=200)]
EventType = Annotated[str, Field(min_length=1, max_length=100)]


class IncomingBlock(Block):
    """A payment system. Without a valid signature nothing is taken."""

    kind: Literal["stripe", "lago", "standard"]
    """Whose events and signatures; standard: Standard Webhooks, from a program of your own."""
    secrets: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=5)]
    """What signs them, as env:NAME or file:PATH; several while one is being replaced."""
    credits_per_unit: Annotated[dict[Currency, Credits], Field(min_length=1)]
    """Credits that one unit of a currency buys (a dollar, not a cent), by its code;
    wallet: the unnamed currency of a Lago wallet."""
    customers: Annotated[str, Field(max_length=64)] = ""
    """The name under which accounts have their id at this system in `external`."""
    accounts: dict[ExternalId, Name] = {}  # noqa: RUF012 - pydantic copies it, and values are frozen
    """Account by customer, for those without such an id."""
    events: tuple[EventType, ...] | None = None
    """Types of events that count; null: those that do not tell of one payment twice."""
    tolerance_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    """Seconds that a signature's time may be off."""
    expires_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which what was bought lapses; null for never."""


NO_INCOMING: dict[Name, IncomingBlock] = {}
