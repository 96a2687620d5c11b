"""The ledger's grammar: what can be asked of it, and how it answers.

A hold is reserved, may be extended, and ends exactly once: settled, released or expired. Every
operation is idempotent by its id: asked twice, it is answered twice and applied once. Whoever
implements it (`stores/redis`, the oracle in the tests) owes exactly these answers.

Amounts are microcredits below 2⁵³. Times are ms of the *ledger's* clock.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.metering.events import UsageEvent
from gateway.metering.limits import Charge
from gateway.metering.usage import Pieces
from gateway.values import call_value, maker


class GrantKind(StrEnum):
    PREPAID = "prepaid"
    ALLOWANCE = "allowance"
    PROMO = "promo"
    CORRECTION = "correction"


# Lower burns first. Within one priority: earliest expiry, promo before paid, oldest.
DEFAULT_PRIORITY = {
    GrantKind.ALLOWANCE: 10,
    GrantKind.PROMO: 20,
    GrantKind.PREPAID: 50,
    GrantKind.CORRECTION: 50,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Credit put into an account. `effective_ms` 0 = at once, `expires_ms` 0 = never."""

    grant_id: str
    account_id: str
    amount_ucr: int
    kind: GrantKind = GrantKind.PREPAID
    priority: int = 50
    effective_ms: int = 0
    expires_ms: int = 0
    note: str = ""
    rollover_ucr: int = 0
    """So much of what is left stays at its expiry, once, until `rollover_ms`."""
    rollover_ms: int = 0
    plan_since_ms: int | None = None
    """Only if the account has been on its plan since then; else Conflict."""


@dataclass(frozen=True, slots=True)
class Granted:
    """`repeated`: the same grant was there already and nothing changed."""

    repeated: bool
    debt_paid_ucr: int


@dataclass(frozen=True, slots=True)
class VoidGrant:
    """Take back what is left of a grant. What running calls hold of it may still pay for them; what
    they give back is void as well.

    `up_to_ucr`: no more than that, all that was ever taken back of it included.
    """

    grant_id: str
    account_id: str
    up_to_ucr: int | None = None


@dataclass(frozen=True, slots=True)
class Voided:
    """`repeated`: that much of it was void already. Otherwise `voided_ucr` was free until now."""

    repeated: bool
    voided_ucr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Correct:
    """Take `amount_ucr` back, in burn order; what no credit covers becomes debt.

    `grows`: the amount is the sum so far under this id (as vendors tell refunds). Only what is
    more than before is taken, so sums may come in any order, and more than once.
    """

    correction_id: str
    account_id: str
    amount_ucr: int
    note: str = ""
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Corrected:
    """`repeated`: it was applied before, and nothing changed."""

    repeated: bool
    taken_ucr: int
    debt_ucr: int


@call_value
class Reserve:
    """Set aside `full_ucr` if the room is ample, else `least_ucr`, all charges or none.

    Ample: available >= AMPLE x full_ucr and, for each charge, room >= AMPLE x full. With
    least == full there is nothing to choose. `overdraft_ucr` > 0: the hold may draw on
    overdraft for what available does not cover, if available is positive at all.
    `observe`: never refused by balance or ceilings; holds what is there.
    """

    hold_id: str
    account_id: str
    key_id: str
    least_ucr: int
    full_ucr: int
    charges: tuple[Charge, ...]
    lease_ms: int
    now_ms: int
    """The caller's idea of the ledger's clock, from which the charges' windows were computed."""
    overdraft_ucr: int = 0
    observe: bool = False
    only_if_ample: bool = False
    """Refuse (Reason.BALANCE) instead of choosing the least, and unless available is PLENTY times
    `full_ucr`: for a hold sized by a rough bound. Not with `observe`."""
    probe: bool = False
    """Answer what would happen, and hold nothing. Not with `only_if_ample`."""
    reservation: "Reservation | None" = None
    """Kept with the hold, for whoever ends it."""

    def release(self) -> "Release":
        """What gives it back, wherever the answer is lost."""
        return Release(self.hold_id, self.account_id, self.charges)


AMPLE = 4
# Holds sized by a bound are too large; as long as this many would fit, nobody is refused for it.
PLENTY = 256


@call_value
class Reserved:
    """`rooms`: what is left in each charge's bucket after this hold, in the charges' order."""

    held_ucr: int
    full: bool
    available_ucr: int
    rooms: tuple[int, ...]
    now_ms: int


class Reason(StrEnum):
    BALANCE = "balance"
    LIMIT = "limit"
    KEY = "key"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing was held. `limit_index` names the first charge that refused (Reason.LIMIT).

    `available_ucr` includes what overdraft the call could have used; `held_ucr` is what the
    account's running calls hold now: refused only because of those, it is worth a retry.
    """

    reason: Reason
    available_ucr: int
    held_ucr: int
    rooms: tuple[int, ...]
    now_ms: int
    limit_index: int = 0


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """Nothing was held: `Reserve.now_ms` was more than a second off the ledger's clock.

    Either the caller's idea of it was wrong, or the store stalled and got to this reserve late.
    The charges belong to the wrong windows: compute them anew from `now_ms` and ask again.
    """

    now_ms: int


class Ending(StrEnum):
    SETTLED = "settled"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class AlreadyEnded:
    """The hold resolved before; nothing changed."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class UnknownHold:
    """No such hold, and no tombstone of one: never reserved, or the store lost it."""


@call_value
class Extend:
    """Renew the lease; hold `add_ucr` more (may be 0); book a checkpoint.

    `sequence` counts up from 1 for each hold: a repeated or older one is answered, not applied.
    `adds` are increments per charge, in the order of the reservation; all or nothing with
    `add_ucr`. The checkpoint says what would be owed if we died now: `event` (its charge_ucr)
    and `amounts` used per charge; it only ever grows. It is written even when the extension
    is refused: what was relayed was relayed.
    """

    hold_id: str
    account_id: str
    sequence: int
    add_ucr: int
    charges: tuple[Charge, ...]
    adds: tuple[int, ...]
    lease_ms: int
    event: UsageEvent
    amounts: tuple[int, ...]
    overdraft_ucr: int = 0
    observe: bool = False
    reservation: "Reservation | None" = None
    """In place of the one that is kept with the hold, unless the extension is refused."""


@call_value
class Extended:
    held_ucr: int
    """The whole hold, after this extension."""
    available_ucr: int
    repeated: bool = False
    """Its sequence had been there before: nothing changed."""


@call_value
class Settle:
    """Replace the hold by `event.charge_ucr` and each charge's held by `amounts`.

    Self-contained: a hold the ledger lost (restored snapshot) is charged directly, flagged late.
    `observe`: what no grant covers is recorded as observed, not as debt.
    """

    hold_id: str
    account_id: str
    charges: tuple[Charge, ...]
    amounts: tuple[int, ...]
    event: UsageEvent
    observe: bool = False
    job: str = ""
    """The name of the job whose hold this is: that is over as well, in the same step."""
    again: bool = False
    """The ledger may have confirmed it before it went back in time, and others were told so."""


@call_value
class Reservation:
    """All that is needed to end a hold which no process of ours waits for. It stands with the hold,
    and with its tombstone for a day if it expires."""

    owed: Settle
    """Its settlement, with nothing used yet."""
    priced_as: str
    """Its line on the rate card."""
    input_tokens: int
    output_tokens: int
    """The most it may produce."""
    pieces: Pieces = ()
    """The most it may use of what is sold by the piece."""
    overdraft_ucr: int = 0


@call_value
class HoldState:
    """A hold as it stands. `ending` None: it is live until `deadline_ms`."""

    ending: Ending | None
    held_ucr: int
    sequence: int
    deadline_ms: int
    reservation: Reservation | None
    """None for a call of ours, and once it was settled or released."""


@call_value
class Settled:
    """`late`: the hold had expired or was lost; charged is then only what the expiry had not."""

    charged_ucr: int
    debt_ucr: int
    late: bool


@dataclass(frozen=True, slots=True)
class Release:
    hold_id: str
    account_id: str
    charges: tuple[Charge, ...]
    job: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    returned_ucr: int


make_reserve, make_settle = maker(Reserve), maker(Settle)
make_reserved, make_settled = maker(Reserved), maker(Settled)
"""For what each call asks."""
