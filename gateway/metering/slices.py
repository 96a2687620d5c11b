"""How much more to hold for a stream that outgrows its hold."""

from dataclasses import dataclass

from gateway.metering.call import Terms
from gateway.metering.ledger import Refused
from gateway.metering.limits import Charge, Unit, in_unit
from gateway.metering.pricing import ModelPrice, affordable_output_tokens, worst_case_ucr


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """`tokens` more of output for `add_ucr`; `adds` is what each charge's bucket holds more."""

    tokens: int
    add_ucr: int
    adds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What the running hold pays for already."""

    price: ModelPrice
    charges: tuple[Charge, ...]
    held_ucr: int
    input_tokens: int
    terms: Terms

    @property
    def output_tokens(self) -> int:
        return affordable_output_tokens(
            self.price,
            available_ucr=self.held_ucr,
            input_tokens=self.input_tokens,
            terms=self.terms,
        )


def next_slice(covered: Covered, tokens: int) -> Slice:
    """The slice that makes the hold pay for `tokens` more than it does now."""
    needed_ucr = worst_case_ucr(
        covered.price,
        input_tokens=covered.input_tokens,
        output_tokens=covered.output_tokens + tokens,
        terms=covered.terms,
    )
    add_ucr = max(0, needed_ucr - covered.held_ucr)
    return Slice(
        tokens=tokens,
        add_ucr=add_ucr,
        adds=tuple(
            # The call itself is counted already.
            in_unit(charge.limit.unit, ucr=add_ucr, tokens=tokens, otherwise=0)
            for charge in covered.charges
        ),
    )


def fitting_slice(covered: Covered, refused: Refused) -> Slice | None:
    """The largest slice that fits into what a refusal says is left; None if not one token does."""
    room_ucr, room_tokens = refused.available_ucr, covered.price.max_output_tokens
    for charge, room in zip(covered.charges, refused.rooms, strict=True):
        if charge.limit.shadow:
            continue
        if charge.limit.unit is Unit.MICROCREDITS:
            room_ucr = min(room_ucr, room)
        elif charge.limit.unit is Unit.TOKENS:
            room_tokens = min(room_tokens, room)
    reach = affordable_output_tokens(
        covered.price,
        available_ucr=covered.held_ucr + max(0, room_ucr),
        input_tokens=covered.input_tokens,
        terms=covered.terms,
    )
    tokens = min(reach - covered.output_tokens, room_tokens)
    return next_slice(covered, tokens) if tokens > 0 else None
