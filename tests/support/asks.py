"""Short spellings of what tests ask the ledger: what they do not care about is filled in."""

from collections.abc import Sequence
from typing import Protocol

from gateway.metering.events import UsageEvent
from gateway.metering.jobs import Job, Keep
from gateway.metering.ledger import Extend, Release, Reservation, Reserve, Settle
from gateway.metering.limits import Charge, Limit, Need, Unit, Whose, Window, charges_for
from gateway.metering.usage import Usage

ACCOUNT = "acme"
# Any instant will do: it only picks the day under which usage is added up.
STARTED_MS = 1_700_000_000_000
LEASE_MS = 3_600_000


class Clocked(Protocol):
    def now_ms(self) -> int: ...


def usage_event(hold_id: str, charge_ucr: int, *, account_id: str = ACCOUNT) -> UsageEvent:
    return UsageEvent(
        event_id=hold_id,
        account_id=account_id,
        key_id="",
        provider="simulated",
        dialect="openai_chat",
        model_requested="small",
        model="small-1",
        rate_version="2026-11-01.1",
        started_ms=STARTED_MS,
        usage=Usage(input_uncached=charge_ucr, output_text=2 * charge_ucr),
        charge_ucr=charge_ucr,
    )


def reserve(
    ledger: Clocked,
    hold_id: str,
    least_ucr: int,
    *,
    full_ucr: int | None = None,
    charges: Sequence[Charge] = (),
    account_id: str = ACCOUNT,
    key_id: str = "",
    lease_ms: int = LEASE_MS,
    overdraft_ucr: int = 0,
    observe: bool = False,
    only_if_ample: bool = False,
    probe: bool = False,
    reservation: Reservation | None = None,
    now_ms: int | None = None,
) -> Reserve:
    return Reserve(
        hold_id=hold_id,
        account_id=account_id,
        key_id=key_id,
        least_ucr=least_ucr,
        full_ucr=least_ucr if full_ucr is None else full_ucr,
        charges=tuple(charges),
        lease_ms=lease_ms,
        now_ms=ledger.now_ms() if now_ms is None else now_ms,
        overdraft_ucr=overdraft_ucr,
        observe=observe,
        only_if_ample=only_if_ample,
        probe=probe,
        reservation=reservation,
    )


def extend(
    hold_id: str,
    sequence: int,
    add_ucr: int,
    *,
    charge_ucr: int = 0,
    charges: Sequence[Charge] = (),
    adds: Sequence[int] = (),
    amounts: Sequence[int] = (),
    account_id: str = ACCOUNT,
    lease_ms: int = LEASE_MS,
    overdraft_ucr: int = 0,
    observe: bool = False,
    reservation: Reservation | None = None,
) -> Extend:
    return Extend(
        hold_id=hold_id,
        account_id=account_id,
        sequence=sequence,
        add_ucr=add_ucr,
        charges=tuple(charges),
        adds=tuple(adds) or (0,) * len(charges),
        lease_ms=lease_ms,
        event=usage_event(hold_id, charge_ucr, account_id=account_id),
        amounts=tuple(amounts) or (0,) * len(charges),
        overdraft_ucr=overdraft_ucr,
        observe=observe,
        reservation=reservation,
    )


def settle(
    hold_id: str,
    charge_ucr: int,
    *,
    charges: Sequence[Charge] = (),
    amounts: Sequence[int] = (),
    account_id: str = ACCOUNT,
    observe: bool = False,
    job: str = "",
) -> Settle:
    return Settle(
        hold_id=hold_id,
        account_id=account_id,
        charges=tuple(charges),
        amounts=tuple(amounts) or (0,) * len(charges),
        event=usage_event(hold_id, charge_ucr, account_id=account_id),
        observe=observe,
        job=job,
    )


def release(
    hold_id: str, charges: Sequence[Charge] = (), account_id: str = ACCOUNT, job: str = ""
) -> Release:
    return Release(hold_id, account_id, tuple(charges), job)


def keep(
    hold_id: str,
    owed_ucr: int,
    *,
    job: str = "openai:batch_1",
    charges: Sequence[Charge] = (),
    amounts: Sequence[int] = (),
    account_id: str = ACCOUNT,
    lease_ms: int = LEASE_MS,
    poll_ms: int = LEASE_MS,
) -> Keep:
    return Keep(
        job=Job(
            name=job,
            owed=settle(
                hold_id,
                owed_ucr,
                charges=charges,
                amounts=amounts,
                account_id=account_id,
                job=job,
            ),
            priced_as="small-1",
            path="/v1/batches/batch_1",
            deadline_ms=STARTED_MS + lease_ms,
        ),
        lease_ms=lease_ms,
        poll_ms=poll_ms,
    )


def token_charge(
    ledger: Clocked, ceiling: int, least: int, full: int | None = None, *, shadow: bool = False
) -> Charge:
    """Tokens per day of the account."""
    limit = Limit(unit=Unit.TOKENS, ceiling=ceiling, window=Window.DAY, shadow=shadow)
    need = Need(0, 0, least, least if full is None else full)
    return charges_for((limit,), need, whose=Whose(ACCOUNT), now_ms=ledger.now_ms())[0]


def call_charge(ledger: Clocked, ceiling: int) -> Charge:
    """Calls in parallel of the account."""
    limit = Limit(unit=Unit.CALLS, ceiling=ceiling)
    need = Need(0, 0, 0, 0)
    return charges_for((limit,), need, whose=Whose(ACCOUNT), now_ms=ledger.now_ms())[0]
