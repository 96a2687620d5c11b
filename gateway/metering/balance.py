"""What the ledger says of an account: one snapshot of its money, grant by grant; and how somebody
who looked at it has it go on.

Amounts are microcredits below 2⁵³. Times are ms of the *ledger's* clock.
"""

from dataclasses import dataclass

from gateway.metering.alerts import Alert
from gateway.metering.ledger import GrantKind


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    grant_id: str
    kind: GrantKind
    amount_ucr: int
    remaining_ucr: int
    held_ucr: int
    consumed_ucr: int
    expired_ucr: int
    voided_ucr: int
    priority: int
    effective_ms: int
    expires_ms: int
    """As it is now: a grant that rolled over lapses later than it was given for."""
    note: str
    rolled_over: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Sums of grants that are used up, of which the ledger keeps no more than their ids: what of
    them was not consumed lapsed or was taken back."""

    grants: int = 0
    amount_ucr: int = 0
    consumed_ucr: int = 0
    expired_ucr: int = 0
    voided_ucr: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Book what the hour brought an account: grants that lapsed, rolled over or came into force.

    `next_ms`: when somebody is to look again at the latest (0: no need); the ledger makes it
    earlier where a grant's hour comes before, and at once if the account is not as it was seen.
    """

    account_id: str
    seen: "Balance"
    plan_since_ms: int
    next_ms: int
    alerts: tuple[Alert, ...] = ()
    """From now on."""
    expiring: tuple[str, ...] = ()
    """Grants whose coming end is to be told, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One atomic snapshot. For each grant: amount = remaining + held + consumed + expired + voided.

    `available_ucr`: remaining of grants effective now. `charged_ucr` = Σ of the account's usage
    events; `corrected_ucr` is the debt that corrections made, ever; and charged + corrected =
    consumed + debt + observed. `grants`: those with credit left or held, and the newest of those
    that are used up; the others only add to `forgotten`.
    """

    account_id: str
    available_ucr: int
    held_ucr: int
    overdraft_held_ucr: int
    debt_ucr: int
    observed_ucr: int
    charged_ucr: int
    corrected_ucr: int
    granted_ucr: int
    live_holds: int
    now_ms: int
    grants: tuple[GrantState, ...]
    advances_ucr: int = 0
    """Part of what is held: set aside to serve calls by while the store does not answer."""
    advances: int = 0
    """So many of the live holds are that, and no calls."""
    forgotten: Forgotten = Forgotten()

    @property
    def consumed_ucr(self) -> int:
        return self.forgotten.consumed_ucr + sum(grant.consumed_ucr for grant in self.grants)

    @property
    def lapsed_ucr(self) -> int:
        """What was left of grants whose time was over."""
        return self.forgotten.expired_ucr + sum(grant.expired_ucr for grant in self.grants)

    @property
    def voided_ucr(self) -> int:
        """What was taken back of grants, or out of them."""
        return self.forgotten.voided_ucr + sum(grant.voided_ucr for grant in self.grants)

    @property
    def running_calls(self) -> int:
        return self.live_holds - self.advances
