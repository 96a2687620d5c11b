"""What operations on calls made elsewhere share: who pays, what was used, how they are refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.resources import Resources
from gateway.api.shapes import Body
from gateway.errors import (
    BadCall,
    Conflict,
    GatewayError,
    NotFound,
    PaymentRequired,
    QuotaExceeded,
    StoreUnavailable,
)
from gateway.metering.accounts import valid_name
from gateway.metering.admission import Asked, refusal
from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Ending,
    Reason,
    Refused,
    Reserve,
    Reserved,
)
from gateway.metering.pieces import SERVICE_TIERS, TIER_JOIN, valid_piece
from gateway.metering.reservations import Payer, Wish, key_inactive
from gateway.metering.usage import Pieces, Usage
from gateway.stores.base import Ledger

# A number of tokens that no call has; sums of them stay exact.
TOKENS_MAX = 10**10
Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
PieceCounts = Annotated[dict[Annotated[str, Field(max_length=100)], Tokens], Field(max_length=30)]
ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
AccountId = Annotated[str, Field(min_length=1, max_length=64)]
KeyId = Annotated[str, Field(min_length=12, max_length=12, pattern=r"^[0-9A-Za-z]+$")]


class UsageBody(Body):
    """What a call used, in classes that never overlap: cached tokens are not among the uncached,
    reasoning is not among the text."""

    input_uncached: Tokens = 0
    input_cache_read: Tokens = 0
    input_cache_write_5m: Tokens = 0
    input_cache_write_1h: Tokens = 0
    input_audio: Tokens = 0
    input_image: Tokens = 0
    output_text: Tokens = 0
    output_reasoning: Tokens = 0
    output_audio: Tokens = 0
    output_image: Tokens = 0
    pieces: Annotated[PieceCounts, Field(default_factory=dict)]
    """What is not sold by the token, by name: `web_search`, `image.hd.1024x1792`."""
    service_tier: Annotated[str, Field(max_length=64)] = ""
    """`priority`, `flex`, `batch` ...; empty for the ordinary one."""


Told = Literal["reported", "counted"]
"""Where a usage comes from: its provider reported it, or somebody counted."""


def usage_of(told: UsageBody) -> Usage:
    """Raises BadCall for pieces and tiers that nobody knows."""
    if told.service_tier and not set(told.service_tier.split(TIER_JOIN)) <= SERVICE_TIERS:
        raise BadCall("There is no such service tier.", details={"param": "service_tier"})
    tokens = told.model_dump(exclude={"pieces", "service_tier"})
    return Usage(**tokens, pieces=pieces_of(told.pieces), service_tier=told.service_tier)


def pieces_of(counts: Mapping[str, int]) -> Pieces:
    for name in counts:
        if not valid_piece(name):
            raise BadCall(f"Nothing is sold by the piece as {name!r}.", details={"param": "pieces"})
    return tuple(sorted((name, count) for name, count in counts.items() if count))


async def payer(resources: Resources, account_id: str, key_id: str | None) -> Payer:
    """Raises NotFound for an account or a key of it that is not there."""
    account = await resources.keys.account(account_id) if valid_name(account_id) else None
    plan = resources.plans.get(account.plan) if account else None
    if account is None or plan is None:
        raise NotFound("There is no account of that id.", details={"param": "account_id"})
    key = await resources.keys.key(key_id) if key_id else None
    if key_id and (key is None or key.account_id != account_id):
        raise NotFound("The account has no key of that id.", details={"param": "key_id"})
    project = None
    if key is not None and key.project_id:
        project = await resources.keys.project(account_id, key.project_id)
    return Payer(account, plan, key, project)


# Each retry follows a resynchronised clock; a store whose clock jumps that often is not usable.
CLOCK_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Asking:
    ask: Reserve
    answer: Reserved | Refused


async def reserve(ledger: Ledger, wish: Wish) -> Asking:
    """Raises Conflict for a hold that ended."""
    for _ in range(CLOCK_RETRIES):
        ask = wish.ask(ledger.now_ms())
        answer = await ledger.reserve(ask)
        if isinstance(answer, AlreadyEnded):
            raise ended(answer.ending)
        if not isinstance(answer, ClockSkewed):
            return Asking(ask, answer)
    raise StoreUnavailable("The ledger's clock is not steady. Try again shortly.", retry_after_s=1)


def as_problem(refused: Refused, asked: Asked) -> GatewayError:
    """402 where credit is gone: no client library repeats that by itself."""
    if refused.reason is Reason.KEY:
        return key_inactive()
    error = refusal(refused, asked)
    if isinstance(error, QuotaExceeded) and error.code == PaymentRequired.code:
        return PaymentRequired(error.message, details=error.details)
    return error


def refused_as(refused: Refused, wish: Wish, ask: Reserve) -> GatewayError:
    """The problem that a refused reservation becomes."""
    asked = Asked(
        price=wish.line.price,
        charges=ask.charges,
        required_ucr=ask.least_ucr,
        input_tokens=wish.input_tokens,
        choices=wish.call.choices,
        terms=wish.call.terms,
        streaming=True,
        whole=False,
    )
    return as_problem(refused, asked)


def ended(ending: Ending) -> GatewayError:
    return Conflict(
        f"The reservation is {ending}.", code="reservation_ended", details={"ending": ending}
    )
