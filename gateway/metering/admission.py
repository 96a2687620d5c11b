"""Explaining the ledger's decision to the caller: which limit, what is there, what would fit."""

from dataclasses import dataclass

from gateway.errors import Forbidden, GatewayError, QuotaExceeded, Unauthenticated
from gateway.metering.call import Terms
from gateway.metering.ledger import Reason, Refused
from gateway.metering.limits import Charge, Unit
from gateway.metering.pricing import UCR_PER_CREDIT, ModelPrice, affordable_output_tokens

# One message for all: a stranger must not learn which keys exist.
INVALID_KEY = (
    "No valid API key was sent. Send the virtual key you were given as "
    "`Authorization: Bearer tk_...`; ask its owner for a new one if it was revoked or expired."
)
# Held credit comes back when a running call ends: seconds, not a billing period.
HELD_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What admission asked the ledger for: the facts a refusal is explained with."""

    price: ModelPrice
    charges: tuple[Charge, ...]
    required_ucr: int
    input_tokens: int
    choices: int
    terms: Terms
    streaming: bool
    whole: bool
    """Nothing the caller asks for makes it smaller."""


def refusal(refused: Refused, asked: Asked) -> GatewayError:
    """The error a refused reservation becomes."""
    match refused.reason:
        case Reason.KEY:
            return Unauthenticated(INVALID_KEY)
        case Reason.ACCOUNT:
            return Forbidden(
                "This account is not active. Ask its owner or the operator to reactivate it.",
                code="account_inactive",
                should_retry=False,
            )
        case Reason.LIMIT:
            return _limit_refusal(refused, asked.charges[refused.limit_index])
        case Reason.BALANCE:
            return _balance_refusal(refused, asked)


def _balance_refusal(refused: Refused, asked: Asked) -> GatewayError:
    details: dict[str, int | str] = {
        "available": decimal_credits(refused.available_ucr),
        "required": decimal_credits(asked.required_ucr),
        "held": decimal_credits(refused.held_ucr),
    }
    advice = ""
    if not asked.whole:
        affordable = _affordable(refused, asked)
        details["affordable_max_tokens"] = affordable
        advice = _advice(affordable, streaming=asked.streaming)
    only_held = refused.available_ucr + refused.held_ucr >= asked.required_ucr
    if only_held:
        return QuotaExceeded(
            f"This call needs {details['required']} credits and {details['available']} are free; "
            f"{details['held']} are held by running calls. Try again when one has ended{advice}.",
            code="balance_held",
            retry_after_s=HELD_RETRY_S,
            details=details,
        )
    return QuotaExceeded(
        f"This call needs {details['required']} credits and the account has "
        f"{details['available']} left. Add credit{advice}.",
        code="insufficient_quota",
        should_retry=False,
        details=details,
    )


def _affordable(refused: Refused, asked: Asked) -> int:
    """Output tokens of each answer that the balance would pay for."""
    together = affordable_output_tokens(
        asked.price,
        available_ucr=refused.available_ucr,
        input_tokens=asked.input_tokens,
        terms=asked.terms,
    )
    return together // asked.choices


def _advice(affordable: int, *, streaming: bool) -> str:
    if affordable <= 0:
        return ""
    advice = f", or ask for at most {affordable} output tokens"
    return advice if streaming else f"{advice}, or stream the answer"


def _limit_refusal(refused: Refused, charge: Charge) -> GatewayError:
    room = max(0, refused.rooms[refused.limit_index])
    limit = charge.limit
    details: dict[str, int | str] = {
        "limit": limit.name,
        "ceiling": limit.ceiling,
        "available": room,
        "required": charge.least,
    }
    if limit.unit is Unit.CALLS:
        return QuotaExceeded(
            f"{limit.ceiling} calls may run in parallel and all of them are running. "
            "Wait for one to end.",
            retry_after_s=HELD_RETRY_S,
            details=details,
        )
    if not charge.resets_ms:
        return QuotaExceeded(
            f"The limit of {limit.ceiling} {limit.unit} in total has {room} left and this call "
            f"needs {charge.least}. Have it raised.",
            should_retry=False,
            details=details,
        )
    wait_s = max(0, charge.resets_ms - refused.now_ms) / 1000
    if charge.least > limit.ceiling:
        return QuotaExceeded(
            f"This call alone needs {charge.least} {limit.unit} and the limit is {limit.ceiling} "
            f"per {limit.window}. Make it smaller.",
            should_retry=False,
            details=details,
        )
    return QuotaExceeded(
        f"The limit of {limit.ceiling} {limit.unit} per {limit.window} has {room} left and this "
        f"call needs {charge.least}. It resets in {wait_s:.0f} s.",
        retry_after_s=wait_s,
        details=details,
    )


def decimal_credits(ucr: int) -> str:
    """Microcredits as a decimal text of credits, exact."""
    sign = "-" if ucr < 0 else ""
    whole, fraction = divmod(abs(ucr), UCR_PER_CREDIT)
    return f"{sign}{whole}.{fraction:06d}"
