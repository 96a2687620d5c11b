"""What a call may come to, before it is forwarded: the size of its hold.

The prompt's size is given, exact or as a bound. The output is unknown, so its worst case is what
the caller, the model or the plan caps it at, for each answer asked for. A stream may start with
one slice of that, under every enforcement but STRICT: it can be extended, and cut. An answer that
comes in one piece or is billed as a whole can be neither, so it needs its worst case.

Knows neither tokenizer nor ledger. Framing of prompts belongs to the dialects.
"""

from gateway.metering.call import Call, Terms, sold_by_piece
from gateway.metering.limits import Need
from gateway.metering.plans import Enforcement, Plan
from gateway.metering.pricing import ModelPrice, worst_case_ucr
from gateway.metering.tally import worst_case_of_many_ucr
from gateway.metering.usage import Usage
from gateway.values import small_value


@small_value
class Estimate:
    """Tokens of a call. Output counts all choices together; `exact`: the prompt was tokenised."""

    prompt: Usage
    output_full_tokens: int
    output_least_tokens: int
    exact: bool

    @property
    def input_tokens(self) -> int:
        return self.prompt.input_tokens


def as_sold(call: Call, price: ModelPrice) -> Call:
    """The call in the measure that its model is sold in: by the piece where its tokens have no
    price, or cost nothing while the pieces have one."""
    if call.by_piece is None or price.charges_tokens:
        return call
    free = price.by_token and price.unpriced(Terms(pieces=call.by_piece.most))
    return call if free else sold_by_piece(call)


def output_cap(call: Call, price: ModelPrice, plan: Plan) -> int:
    """The most tokens one choice can have."""
    cap, asked, planned = price.max_output_tokens, call.max_output_tokens, plan.max_output_tokens
    if asked is not None and asked < cap:
        cap = asked
    # Nothing can hold an answer back that is billed as a whole.
    if planned is not None and planned < cap and not call.whole:
        cap = planned
    return cap


def estimate(call: Call, *, price: ModelPrice, plan: Plan, prompt: Usage, exact: bool) -> Estimate:
    if call.many is not None:
        full = call.many.output_tokens + call.many.uncapped_answers * price.max_output_tokens
        return Estimate(prompt, full, full, exact)
    full = output_cap(call, price, plan) * call.choices
    # A job goes on when its answer is cut.
    whole = call.whole or call.deferred
    in_slices = call.stream and not whole and plan.enforcement is not Enforcement.STRICT
    least = min(full, plan.slice_tokens) if in_slices else full
    return Estimate(prompt, full, least, exact)


def need(estimated: Estimate, price: ModelPrice, call: Call) -> Need:
    """The estimate in the units of balance and limits."""
    prompt = estimated.input_tokens
    full, least = estimated.output_full_tokens, estimated.output_least_tokens
    if call.many is not None:
        full_ucr = worst_case_of_many_ucr(
            price, call.many, input_tokens=prompt, output_tokens=full, pieces=call.terms.pieces
        )
        return Need(full_ucr, full_ucr, prompt + full, prompt + full)
    full_ucr = worst_case_ucr(price, input_tokens=prompt, output_tokens=full, terms=call.terms)
    least_ucr = full_ucr
    if least < full:
        least_ucr = worst_case_ucr(
            price, input_tokens=prompt, output_tokens=least, terms=call.terms
        )
    return Need(least_ucr, full_ucr, prompt + least, prompt + full)
