"""What is asked and answered about reservations."""

from typing import Annotated

from pydantic import Field

from gateway.api.outside import AccountId, KeyId, ModelName, PieceCounts, Tokens, Told, UsageBody
from gateway.api.shapes import Amount, Body, Moment, Reply

TTL_MAX_S = 3600
Ttl = Annotated[int, Field(ge=1, le=TTL_MAX_S)]


class ReserveBody(Body):
    """A call that is about to be made elsewhere."""

    account_id: AccountId
    key_id: KeyId | None = None
    """Whose limits and models hold besides the plan's."""
    model: ModelName
    input_tokens: Tokens
    max_output_tokens: Tokens | None = None
    """Null: the most the model makes."""
    pieces: Annotated[PieceCounts, Field(default_factory=dict)]
    """The most it may use of what is sold by the piece."""
    ttl_s: Ttl = 60
    """How long it is held without a sign of life."""
    dry_run: bool = False
    """Answer what would happen, and hold nothing."""


class ExtendBody(Body):
    """A sign of life: the time runs anew from now."""

    ttl_s: Ttl = 60
    more_output_tokens: Tokens = 0
    """How much longer the answer may become than was reserved."""
    used: UsageBody | None = None
    """What was used so far: charged if nothing more is heard. It only ever grows."""


class SettleBody(Body):
    """What the call used in the end."""

    usage: UsageBody
    provenance: Told = "reported"


class ReservationReply(Reply):
    """Credit that is set aside."""

    id: str | None
    """Null for a dry run."""
    account_id: str
    status: str
    """`held`; `fits` for a dry run; once it is over `settled`, `released` or `expired`."""
    held: Amount
    available: Amount | None
    """What the account has left, where it was asked."""
    expires_at: Moment | None
    rate_version: str | None
    """Of the rate card, at the time it was reserved."""


class SettledReply(Reply):
    """What was charged."""

    id: str
    status: str
    late: bool
    """The reservation had expired; charged is what its expiry had not."""
    charged: Amount
    released: Amount
    """What was held beyond it, and is free again."""
    debt: Amount
    """What of it no credit covered."""
    rate_version: str


class ReleasedReply(Reply):
    """What was given back."""

    id: str
    status: str
    released: Amount
