"""The ledger in memory, for one account: simple enough to be believed, to be compared with.

Written from `metering/ledger.py`, not from the scripts: it keeps no running totals but counts
everything anew, and it takes its time from whoever makes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import Conflict, NotFound
from gateway.metering.balance import Balance, GrantState, Look
from gateway.metering.jobs import Keep, Kept
from gateway.metering.ledger import (
    AMPLE,
    PLENTY,
    AlreadyEnded,
    ClockSkewed,
    Correct,
    Corrected,
    Ending,
    Extend,
    Extended,
    Grant,
    Granted,
    GrantKind,
    Reason,
    Refused,
    Release,
    Released,
    Reserve,
    Reserved,
    Settle,
    Settled,
    UnknownHold,
    Voided,
    VoidGrant,
)
from gateway.metering.limits import Charge, Unit

SKEW_MAX_MS = 1000


@dataclass
class _Credit:
    given: Grant
    since_ms: int
    remaining: int
    held: int = 0
    consumed: int = 0
    expired: int = 0
    voided: int = 0
    void: bool = False
    rolled: bool = False

    @property
    def expires_ms(self) -> int:
        return self.given.rollover_ms if self.rolled else self.given.expires_ms

    def lapsed(self, now_ms: int) -> bool:
        return 0 < self.expires_ms <= now_ms

    def catch_up(self, now_ms: int) -> None:
        """What rolls over, running calls' part included, is bounded; all else lapses in time."""
        given = self.given
        if self.remaining and self.lapsed(now_ms) and now_ms < given.rollover_ms:
            self.rolled = given.rollover_ucr > 0
        over = 0
        if self.lapsed(now_ms):
            over = self.remaining
        elif self.rolled:
            over = min(self.remaining, max(0, self.remaining + self.held - given.rollover_ucr))
        self.expired += over
        self.remaining -= over

    @property
    def burn_order(self) -> tuple[int, float, bool, int, str]:
        paid = self.given.kind in (GrantKind.PREPAID, GrantKind.CORRECTION)
        expires = self.expires_ms or float("inf")
        return self.given.priority, expires, paid, self.since_ms, self.given.grant_id


@dataclass
class _Bucket:
    held: int = 0
    used: int = 0


@dataclass
class _Hold:
    slices: list[tuple[_Credit, int]]
    overdraft: int
    charges: tuple[Charge, ...]
    units: list[int]
    deadline_ms: int
    observe: bool
    answer: Reserved
    sequence: int = 0
    owed: list[int] = field(default_factory=list)
    """The checkpoint: charge, then the amount per charge."""
    job: str = ""

    @property
    def amount(self) -> int:
        return sum(amount for _, amount in self.slices) + self.overdraft


class Oracle:
    def __init__(self, account_id: str, clock: Callable[[], int]) -> None:
        self.now_ms = clock
        self._account_id = account_id
        self._credits: dict[str, _Credit] = {}
        self._holds: dict[str, _Hold] = {}
        self._endings: dict[str, Ending] = {}
        self._owed_at_expiry: dict[str, list[int]] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._jobs: dict[str, set[str]] = {}
        self._corrections: dict[str, Correct] = {}
        self._debt = self._observed = self._charged = self._corrected = 0

    # What there is

    def _in_order(self) -> list[_Credit]:
        return sorted(self._credits.values(), key=lambda credit: credit.burn_order)

    def _open(self) -> list[_Credit]:
        now_ms = self.now_ms()
        return [
            credit
            for credit in self._in_order()
            if credit.since_ms <= now_ms and not credit.lapsed(now_ms)
        ]

    @property
    def _available(self) -> int:
        return sum(credit.remaining for credit in self._open())

    @property
    def _overdraft_held(self) -> int:
        return sum(hold.overdraft for hold in self._holds.values())

    @property
    def _held(self) -> int:
        return sum(hold.amount for hold in self._holds.values())

    def _room(self, charge: Charge) -> int:
        bucket = self._buckets.get(charge.bucket, _Bucket())
        return charge.ceiling - bucket.used - bucket.held

    def _rooms(self, charges: tuple[Charge, ...]) -> tuple[int, ...]:
        return tuple(max(0, self._room(charge)) for charge in charges)

    def _catch_up(self) -> None:
        """Book what lapsed, then pay debt from what is there."""
        for credit in self._credits.values():
            credit.catch_up(self.now_ms())
        self._debt -= sum(amount for _, amount in self._burn(self._debt))

    def _take(self, amount: int) -> list[tuple[_Credit, int]]:
        slices = []
        for credit in self._open():
            part = min(credit.remaining, amount)
            if part:
                credit.remaining -= part
                slices.append((credit, part))
            amount -= part
        return slices

    def _burn(self, amount: int) -> list[tuple[_Credit, int]]:
        slices = self._take(amount)
        for credit, part in slices:
            credit.consumed += part
        return slices

    def _spendable(self, overdraft_ucr: int, *, running: bool) -> int:
        free = self._available - self._debt
        if overdraft_ucr and (running or free > 0):
            return self._available + max(0, overdraft_ucr - self._debt - self._overdraft_held)
        return free

    # Operations

    def grant(self, grant: Grant) -> Granted:
        if grant.grant_id in self._corrections:
            raise Conflict("a correction")
        if known := self._credits.get(grant.grant_id):
            if known.given != grant:
                raise Conflict("another payload")
            return Granted(repeated=True, debt_paid_ucr=0)
        self._catch_up()
        since_ms = grant.effective_ms or self.now_ms()
        credit = _Credit(grant, since_ms, grant.amount_ucr)
        self._credits[grant.grant_id] = credit
        if credit.lapsed(self.now_ms()):
            # Given after its time: nothing of it ever was, nothing rolls over.
            credit.expired, credit.remaining = credit.remaining, 0
        debt = self._debt
        self._catch_up()
        return Granted(repeated=False, debt_paid_ucr=debt - self._debt)

    def void_grant(self, ask: VoidGrant) -> Voided:
        if ask.grant_id not in self._credits:
            raise NotFound("no grant")
        self._catch_up()
        credit = self._credits[ask.grant_id]
        whole = ask.up_to_ucr is None
        wanted = credit.remaining if whole else max(0, (ask.up_to_ucr or 0) - credit.voided)
        if credit.void or (not whole and not wanted):
            return Voided(repeated=True, voided_ucr=0)
        credit.void = whole
        taken = min(wanted, credit.remaining)
        credit.voided += taken
        credit.remaining -= taken
        return Voided(repeated=False, voided_ucr=taken)

    def look(self, ask: Look) -> None:
        """Whoever looks changes nothing but what the hour has brought."""
        assert ask.account_id == self._account_id
        self._catch_up()

    def correct(self, ask: Correct) -> Corrected:
        known = self._corrections.get(ask.correction_id)
        if ask.correction_id in self._credits:
            raise Conflict("a grant")
        before = 0
        if known:
            before = known.amount_ucr
            if not ask.grows and (before, known.note) != (ask.amount_ucr, ask.note):
                raise Conflict("another payload")
            if ask.amount_ucr <= before:
                return Corrected(repeated=True, taken_ucr=0, debt_ucr=0)
        self._corrections[ask.correction_id] = ask
        self._catch_up()
        taken = self._take(ask.amount_ucr - before)
        for credit, part in taken:
            credit.voided += part
        covered = sum(part for _, part in taken)
        debt = ask.amount_ucr - before - covered
        self._debt += debt
        self._corrected += debt
        return Corrected(repeated=False, taken_ucr=covered, debt_ucr=debt)

    def reserve(self, ask: Reserve) -> Reserved | Refused | AlreadyEnded | ClockSkewed:
        if known := self._ended(ask.hold_id) or self._held_answer(ask.hold_id):
            return known
        if abs(self.now_ms() - ask.now_ms) > SKEW_MAX_MS:
            return ClockSkewed(self.now_ms())
        self._catch_up()
        ample = self._ample(ask)
        if refused := self._refuse_unless_ample(ask, ample=ample):
            return refused
        units = [charge.full if ample else charge.least for charge in ask.charges]
        amount = ask.full_ucr if ample else ask.least_ucr
        if ask.observe:
            amount = min(amount, self._available)
        spendable = self._spendable(ask.overdraft_ucr, running=False)
        if refused := self._refuse(ask, units, fits=amount <= spendable, spendable=spendable):
            return refused
        if ask.probe:
            return self._would_hold(ask, amount, units, ample=ample)
        slices = self._hold(min(amount, self._available))
        overdraft = amount - sum(part for _, part in slices)
        for charge, more in zip(ask.charges, units, strict=True):
            self._buckets.setdefault(charge.bucket, _Bucket()).held += more
        answer = Reserved(
            held_ucr=amount,
            full=ample,
            available_ucr=self._available,
            rooms=self._rooms(ask.charges),
            now_ms=self.now_ms(),
        )
        deadline_ms = self.now_ms() + ask.lease_ms
        self._holds[ask.hold_id] = _Hold(
            slices, overdraft, ask.charges, units, deadline_ms, ask.observe, answer
        )
        return answer

    def _held_answer(self, hold_id: str) -> Reserved | None:
        hold = self._holds.get(hold_id)
        return hold.answer if hold else None

    def _would_hold(self, ask: Reserve, amount: int, units: list[int], *, ample: bool) -> Reserved:
        rooms = [
            max(0, self._room(charge) - more)
            for charge, more in zip(ask.charges, units, strict=True)
        ]
        return Reserved(
            held_ucr=amount,
            full=ample,
            available_ucr=self._available,
            rooms=tuple(rooms),
            now_ms=self.now_ms(),
        )

    def _ample(self, ask: Reserve) -> bool:
        if ask.full_ucr > ask.least_ucr or ask.only_if_ample:
            times = PLENTY if ask.only_if_ample else AMPLE
            if self._available < times * ask.full_ucr:
                return False
        return all(
            self._room(charge) >= AMPLE * charge.full
            for charge in ask.charges
            if charge.full > charge.least or (ask.only_if_ample and charge.full != 1)
            if not charge.limit.shadow
        )

    def _refuse(
        self, ask: Reserve | Extend, units: list[int], *, fits: bool, spendable: int
    ) -> Refused | None:
        if ask.observe:
            return None
        over = [
            index
            for index, (charge, more) in enumerate(zip(ask.charges, units, strict=True))
            if more > max(0, self._room(charge)) and not charge.limit.shadow
        ]
        if fits and not over:
            return None
        return Refused(
            reason=Reason.LIMIT if over else Reason.BALANCE,
            available_ucr=spendable,
            held_ucr=self._held,
            rooms=self._rooms(ask.charges),
            now_ms=self.now_ms(),
            limit_index=over[0] if over else 0,
        )

    def _refuse_unless_ample(self, ask: Reserve, *, ample: bool) -> Refused | None:
        if ample or not ask.only_if_ample:
            return None
        return Refused(
            reason=Reason.BALANCE,
            available_ucr=self._spendable(ask.overdraft_ucr, running=False),
            held_ucr=self._held,
            rooms=self._rooms(ask.charges),
            now_ms=self.now_ms(),
        )

    def _hold(self, amount: int) -> list[tuple[_Credit, int]]:
        slices = self._take(amount)
        for credit, part in slices:
            credit.held += part
        return slices

    def extend(self, ask: Extend) -> Extended | Refused | AlreadyEnded | UnknownHold:
        if ended := self._ended(ask.hold_id):
            return ended
        hold = self._holds.get(ask.hold_id)
        if hold is None:
            return UnknownHold()
        self._catch_up()
        if ask.sequence <= hold.sequence:
            return Extended(held_ucr=hold.amount, available_ucr=self._available, repeated=True)
        owed = [ask.event.charge_ucr, *ask.amounts]
        before = hold.owed or [0] * len(owed)
        hold.owed = [max(pair) for pair in zip(owed, before, strict=True)]
        hold.sequence = ask.sequence
        hold.deadline_ms = self.now_ms() + ask.lease_ms
        add = min(ask.add_ucr, self._available) if ask.observe else ask.add_ucr
        spendable = self._spendable(ask.overdraft_ucr, running=True)
        fits = add == 0 or add <= spendable
        if refused := self._refuse(ask, list(ask.adds), fits=fits, spendable=spendable):
            return refused
        slices = self._hold(min(add, self._available))
        hold.slices += slices
        hold.overdraft += add - sum(part for _, part in slices)
        for index, more in enumerate(ask.adds):
            hold.units[index] += more
            self._buckets.setdefault(ask.charges[index].bucket, _Bucket()).held += more
        return Extended(held_ucr=hold.amount, available_ucr=self._available)

    def keep(self, ask: Keep) -> Kept | AlreadyEnded:
        owed = ask.job.owed
        ending = self._endings.get(owed.hold_id)
        if ending in (Ending.SETTLED, Ending.RELEASED):
            return AlreadyEnded(ending)
        self._jobs.setdefault(ask.job.name, set()).add(owed.hold_id)
        hold = self._holds.get(owed.hold_id)
        if hold is None:
            return Kept(late=True)
        figures = [owed.event.charge_ucr, *owed.amounts]
        before = hold.owed or [0] * len(figures)
        hold.owed = [max(pair) for pair in zip(figures, before, strict=True)]
        hold.sequence += 1
        hold.job = ask.job.name
        hold.deadline_ms = self.now_ms() + ask.lease_ms
        for index, charge in enumerate(owed.charges):
            if charge.limit.unit is Unit.CALLS:
                self._buckets[charge.bucket].held -= hold.units[index]
                hold.units[index] = 0
        return Kept(late=False)

    def open_jobs(self) -> dict[str, list[str]]:
        """The holds of each job that has any."""
        return {name: sorted(holds) for name, holds in sorted(self._jobs.items()) if holds}

    def settle(self, ask: Settle) -> Settled | AlreadyEnded:
        self._jobs.get(ask.job, set()).discard(ask.hold_id)
        ending = self._endings.get(ask.hold_id)
        if ending in (Ending.SETTLED, Ending.RELEASED):
            return AlreadyEnded(ending)
        self._catch_up()
        late = ask.hold_id not in self._holds
        known = self._owed_at_expiry.get(ask.hold_id) or [0] * (1 + len(ask.amounts))
        charge = max(0, ask.event.charge_ucr - known[0])
        debt = self._end(ask.hold_id, charge, observe=ask.observe)
        for asked, used, before in zip(ask.charges, ask.amounts, known[1:], strict=True):
            self._buckets.setdefault(asked.bucket, _Bucket()).used += max(0, used - before)
        self._endings[ask.hold_id] = Ending.SETTLED
        return Settled(charged_ucr=charge, debt_ucr=debt, late=late)

    def release(self, ask: Release) -> Released | AlreadyEnded:
        self._jobs.get(ask.job, set()).discard(ask.hold_id)
        if ended := self._ended(ask.hold_id):
            return ended
        self._catch_up()
        hold = self._holds.get(ask.hold_id)
        self._end(ask.hold_id, 0, observe=False)
        self._endings[ask.hold_id] = Ending.RELEASED
        return Released(hold.amount if hold else 0)

    def expire(self, hold_id: str) -> bool:
        """What the reaper does with one hold it found due; answer whether it was."""
        hold = self._holds.get(hold_id)
        if hold is None or hold.deadline_ms > self.now_ms():
            return False
        self._catch_up()
        self._end(hold_id, hold.owed[0] if hold.owed else 0, observe=hold.observe)
        for charge, used in zip(hold.charges, hold.owed[1:], strict=False):
            self._buckets[charge.bucket].used += used
        self._owed_at_expiry[hold_id] = hold.owed
        self._jobs.get(hold.job, set()).discard(hold_id)
        self._endings[hold_id] = Ending.EXPIRED
        return True

    async def expire_holds(self) -> int:
        return sum(self.expire(hold_id) for hold_id in list(self._holds))

    def _ended(self, hold_id: str) -> AlreadyEnded | None:
        ending = self._endings.get(hold_id)
        return None if ending is None else AlreadyEnded(ending)

    def _end(self, hold_id: str, charge: int, *, observe: bool) -> int:
        """Give the hold back, if there is one, less the charge; answer the debt that made."""
        missing = charge
        hold = self._holds.pop(hold_id, None)
        if hold is not None:
            for credit, amount in hold.slices:
                part = min(amount, missing)
                missing -= part
                credit.held -= amount
                credit.consumed += part
                if credit.void:
                    credit.voided += amount - part
                else:
                    credit.remaining += amount - part
            for asked, units in zip(hold.charges, hold.units, strict=True):
                self._buckets[asked.bucket].held -= units
            self._catch_up()
        missing -= sum(part for _, part in self._burn(missing))
        self._charged += charge
        if observe:
            self._observed += missing
            return 0
        self._debt += missing
        return missing

    def balance(self, account_id: str = "") -> Balance:
        assert account_id in ("", self._account_id)
        self._catch_up()
        return Balance(
            account_id=self._account_id,
            available_ucr=self._available,
            held_ucr=self._held - self._overdraft_held,
            overdraft_held_ucr=self._overdraft_held,
            debt_ucr=self._debt,
            observed_ucr=self._observed,
            charged_ucr=self._charged,
            corrected_ucr=self._corrected,
            granted_ucr=sum(credit.given.amount_ucr for credit in self._credits.values()),
            live_holds=len(self._holds),
            now_ms=self.now_ms(),
            grants=tuple(_state(credit) for credit in self._in_order()),
        )


def _state(credit: _Credit) -> GrantState:
    return GrantState(
        grant_id=credit.given.grant_id,
        kind=credit.given.kind,
        amount_ucr=credit.given.amount_ucr,
        remaining_ucr=credit.remaining,
        held_ucr=credit.held,
        consumed_ucr=credit.consumed,
        expired_ucr=credit.expired,
        voided_ucr=credit.voided,
        priority=credit.given.priority,
        effective_ms=credit.given.effective_ms,
        expires_ms=credit.expires_ms,
        note=credit.given.note,
        rolled_over=credit.rolled,
    )
