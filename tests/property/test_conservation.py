"""Whatever is asked, in whatever order: the server answers as the oracle does, and adds up.

The oracle is asked at the millisecond at which the server ran the script, which every reply
tells; so grants may lapse and leases run out in the middle of a run without any waiting. It never
forgets a grant; the server does all the while.
"""

import asyncio
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support import asks, books
from support.audit import account_alerts, audit_account, audit_alerts
from support.oracle import Oracle
from support.recording_client import RecordingClient
from support.redis_server import KINDS

from gateway.errors import Conflict, NotFound
from gateway.metering.alerts import Alert
from gateway.metering.balance import Balance, Forgotten, Look
from gateway.metering.ledger import Correct, Grant, GrantKind, VoidGrant
from gateway.metering.limits import Charge, Limit, Need, Unit, Whose, Window, charges_for
from gateway.stores.redis.jobs import RedisJobs
from gateway.stores.redis.layout import job_key, open_jobs_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet

STORE_FORMS = (*KINDS, "cluster")

ACCOUNTS = (f"property-{number}" for number in count())
LIMITS = (
    Limit(unit=Unit.TOKENS, ceiling=400, window=Window.DAY),
    Limit(unit=Unit.REQUESTS, ceiling=12, window=Window.DAY),
    Limit(unit=Unit.CALLS, ceiling=4),
    Limit(unit=Unit.MICROCREDITS, ceiling=150, window=Window.DAY, shadow=True),
)
OVERDRAFT_UCR = 60
USED_UP_KEPT = 2
ALERTS = (
    Alert("80%", left_percent=20),
    Alert("100%", left_percent=0),
    Alert("0.00005", left_ucr=50),
)

amounts = st.integers(0, 120)
# Relative to now; 0 stands for "at once" or "never". A few ms pass during some steps.
moments_ms = st.sampled_from([0, 0, -10_000, 3, 8, 20, 3_600_000])
leases_ms = st.sampled_from([0, 0, 5, 3_600_000])
picks = st.integers(0, 1_000)
limit_sets = st.lists(st.sampled_from(LIMITS), unique=True, max_size=3).map(tuple)


class LedgerMachine(RuleBasedStateMachine):
    """Runs each step on the server, then on the oracle at the same ms, and compares."""

    url = ""

    @initialize()
    def connect(self) -> None:
        self.runner = asyncio.Runner()
        self.account_id = next(ACCOUNTS)
        self.client = RecordingClient(self.url, tasks=TaskSet(), timeout_s=5.0)
        self.client.ran = []
        self.ledger = RedisLedger(self.client, used_up_kept=USED_UP_KEPT)
        self.runner.run(self._open())
        self.server_ms = 0
        self.oracle = Oracle(self.account_id, lambda: self.server_ms)
        self.charges: dict[str, tuple[Charge, ...]] = {}
        self.grants: list[Grant] = []
        self.jobs: dict[str, str] = {}
        self.names = count()
        self.look(0)
        self.grant(
            amount=200, kind=GrantKind.PREPAID, priority=50, effective=0, expires=0, rollover=0
        )

    async def _open(self) -> None:
        await self.client.open()
        await self.ledger.open()

    def _both(self, operation: str, ask: Any) -> None:
        async def on_server() -> Any:
            return await getattr(self.ledger, operation)(ask)

        try:
            expected = self.runner.run(on_server())
        except (Conflict, NotFound) as refused:
            expected = type(refused)
        self.server_ms = self.client.ran[-1][2]
        try:
            actual = getattr(self.oracle, operation)(ask)
        except (Conflict, NotFound) as refused:
            actual = type(refused)
        # A repeated reserve is answered with the old figures at a new time.
        assert _without_time(expected) == _without_time(actual)

    def _at(self, moment_ms: int) -> int:
        return self.ledger.now_ms() + moment_ms if moment_ms else 0

    @rule(
        amount=amounts,
        kind=st.sampled_from(GrantKind),
        priority=st.sampled_from([10, 50]),
        effective=moments_ms,
        expires=moments_ms,
        rollover=st.sampled_from([0, 0, 10, 60]),
    )
    def grant(
        self,
        *,
        amount: int,
        kind: GrantKind,
        priority: int,
        effective: int,
        expires: int,
        rollover: int,
    ) -> None:
        """Some roll over: for a few ms, or for longer than the run lasts."""
        number, rolls = next(self.names), rollover if expires > 0 else 0
        family = "allowance:" if kind is GrantKind.ALLOWANCE else ""
        grant = Grant(
            grant_id=f"{family}g{number:04d}",
            account_id=self.account_id,
            amount_ucr=amount,
            kind=kind,
            priority=priority,
            effective_ms=self._at(effective),
            expires_ms=self._at(expires),
            rollover_ucr=rolls,
            rollover_ms=self._at(expires + (12 if number % 2 else 7_200_000)) if rolls else 0,
        )
        self.grants.append(grant)
        self._both("grant", grant)

    @rule(pick=picks, note=st.sampled_from(["", "", "another"]))
    def grant_again(self, pick: int, note: str) -> None:
        grant = self.grants[pick % len(self.grants)]
        self._both(
            "grant",
            Grant(
                grant_id=grant.grant_id,
                account_id=grant.account_id,
                amount_ucr=grant.amount_ucr,
                kind=grant.kind,
                priority=grant.priority,
                effective_ms=grant.effective_ms,
                expires_ms=grant.expires_ms,
                note=note,
                rollover_ucr=grant.rollover_ucr,
                rollover_ms=grant.rollover_ms,
            ),
        )

    @rule(pick=picks, up_to=st.none() | amounts)
    def void(self, pick: int, up_to: int | None) -> None:
        """Mostly a grant there is, all of it or a part."""
        named = [grant.grant_id for grant in self.grants] + ["g-none"]
        self._both("void_grant", VoidGrant(named[pick % len(named)], self.account_id, up_to))

    @rule(pick=picks)
    def look(self, pick: int) -> None:
        """With a grant whose end is told once, or none."""
        expiring = [grant.grant_id for grant in self.grants][pick % (len(self.grants) + 1) :][:1]
        seen = self.runner.run(self.ledger.balance(self.account_id))
        self.server_ms = seen.now_ms
        self.oracle.balance()
        ask = Look(
            account_id=self.account_id,
            seen=seen,
            plan_since_ms=0,
            next_ms=0,
            alerts=ALERTS,
            expiring=tuple(expiring),
        )
        self._both("look", ask)

    @rule(
        name=st.sampled_from(["c1", "c2", "c3", "g0000"]),
        amount=amounts,
        note=st.sampled_from(["", "", "another"]),
        grows=st.booleans(),
    )
    def correct(self, *, name: str, amount: int, note: str, grows: bool) -> None:
        """Again and again under few names, once under a grant's."""
        ask = Correct(
            correction_id=name,
            account_id=self.account_id,
            amount_ucr=amount,
            note=note,
            grows=grows,
        )
        self._both("correct", ask)

    @rule(
        limits=limit_sets,
        least=amounts,
        more=amounts,
        lease_ms=leases_ms,
        manner=st.sampled_from(["strict", "strict", "rough", "soft", "observe", "probe"]),
        skew_ms=st.sampled_from([0] * 14 + [-2_000, 2_000]),
    )
    def reserve(
        self,
        *,
        limits: tuple[Limit, ...],
        least: int,
        more: int,
        lease_ms: int,
        manner: str,
        skew_ms: int,
    ) -> None:
        hold_id = f"{self.account_id}-h{next(self.names)}"
        self.charges[hold_id] = charges_for(
            limits,
            Need(least, least + more, least, least + more),
            whose=Whose(self.account_id),
            now_ms=asks.STARTED_MS,
        )
        self._reserve(hold_id, least, more, lease_ms=lease_ms, manner=manner, skew_ms=skew_ms)

    def _picked(self, pick: int) -> str:
        """Mostly a running call, sometimes any that ever was."""
        running = sorted(self.oracle._holds) if pick % 4 else []
        pool = running or sorted(self.charges)
        return pool[pick // 4 % len(pool)]

    @precondition(lambda self: self.charges)
    @rule(pick=picks, least=amounts)
    def reserve_again(self, pick: int, least: int) -> None:
        self._reserve(
            self._picked(pick), least, 0, lease_ms=asks.LEASE_MS, manner="strict", skew_ms=0
        )

    def _reserve(
        self, hold_id: str, least: int, more: int, *, lease_ms: int, manner: str, skew_ms: int
    ) -> None:
        ask = asks.reserve(
            self.ledger,
            hold_id,
            least,
            full_ucr=least + more,
            charges=self._lasting(hold_id),
            account_id=self.account_id,
            lease_ms=lease_ms,
            overdraft_ucr=OVERDRAFT_UCR * (manner == "soft"),
            observe=manner == "observe",
            only_if_ample=manner == "rough",
            probe=manner == "probe",
            now_ms=self.ledger.now_ms() + skew_ms,
        )
        self._both("reserve", ask)

    def _lasting(self, hold_id: str) -> tuple[Charge, ...]:
        """Windows of 2023, but buckets the store does not forget before the run ends."""
        return tuple(
            Charge(
                limit=charge.limit,
                bucket=charge.bucket,
                least=charge.least,
                full=charge.full,
                resets_ms=charge.resets_ms,
                expires_ms=0,
            )
            for charge in self.charges[hold_id]
        )

    @precondition(lambda self: self.charges)
    @rule(
        pick=picks,
        sequence=st.integers(1, 6),
        add=amounts,
        owed=amounts,
        lease_ms=leases_ms,
        manner=st.sampled_from(["strict", "strict", "rough", "soft", "observe"]),
    )
    def extend(
        self, *, pick: int, sequence: int, add: int, owed: int, lease_ms: int, manner: str
    ) -> None:
        hold_id = self._picked(pick)
        charges = self._lasting(hold_id)
        self._both(
            "extend",
            asks.extend(
                hold_id,
                sequence,
                add,
                charge_ucr=owed,
                charges=charges,
                adds=[_units(charge.limit, add) for charge in charges],
                amounts=[_units(charge.limit, owed) for charge in charges],
                account_id=self.account_id,
                lease_ms=lease_ms,
                overdraft_ucr=OVERDRAFT_UCR * (manner == "soft"),
                observe=manner == "observe",
            ),
        )

    @precondition(lambda self: self.charges)
    @rule(pick=picks, owed=amounts, job=st.integers(0, 2), lease_ms=leases_ms)
    def keep(self, *, pick: int, owed: int, job: int, lease_ms: int) -> None:
        """Several holds may be those of one job; whose job a hold was once kept for, it stays."""
        hold_id = self._picked(pick)
        charges = self._lasting(hold_id)
        self._both(
            "keep",
            asks.keep(
                hold_id,
                owed,
                job=self.jobs.setdefault(hold_id, f"openai:job-{job}"),
                charges=charges,
                amounts=[_units(charge.limit, owed) for charge in charges],
                account_id=self.account_id,
                lease_ms=lease_ms,
            ),
        )

    @precondition(lambda self: self.charges)
    @rule(pick=picks, charge=st.integers(0, 300), observe=st.booleans())
    def settle(self, pick: int, charge: int, *, observe: bool) -> None:
        hold_id = self._picked(pick)
        charges = self._lasting(hold_id)
        used = [_units(asked.limit, charge) for asked in charges]
        ask = asks.settle(
            hold_id,
            charge,
            charges=charges,
            amounts=used,
            account_id=self.account_id,
            observe=observe,
            job=self.jobs.get(hold_id, ""),
        )
        self._both("settle", ask)

    @precondition(lambda self: self.charges)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        hold_id = self._picked(pick)
        job = self.jobs.get(hold_id, "")
        self._both("release", asks.release(hold_id, self._lasting(hold_id), self.account_id, job))

    @rule()
    def expire(self) -> None:
        """The reaper works on the whole store: other accounts' holds mean nothing here."""
        self.client.ran.clear()
        self.runner.run(self.ledger.expire_holds())
        for script, hold_id, server_ms in list(self.client.ran):
            if script == "expire" and hold_id in self.charges:
                self.server_ms = server_ms
                self.oracle.expire(hold_id)

    @invariant()
    def balances_agree_and_add_up(self) -> None:
        balance = self.runner.run(audit_account(self.ledger, self.account_id))
        self.server_ms = balance.now_ms
        assert balance == _forgetting(self.oracle.balance(), balance)
        audit_alerts(self.runner.run(account_alerts(self.ledger, balance)))

    @invariant()
    def buckets_agree(self) -> None:
        for name, bucket in self.oracle._buckets.items():
            stored = books.bucket(self.client, self.account_id, name)
            assert (bucket.held, bucket.used) == self.runner.run(stored)

    @invariant()
    def open_jobs_agree(self) -> None:
        jobs = RedisJobs(self.client, self.ledger)
        assert self.oracle.open_jobs() == self.runner.run(self._open_jobs(jobs))

    async def _open_jobs(self, jobs: RedisJobs) -> dict[str, list[str]]:
        prefix = job_key(self.account_id, "")
        listed = await self.client.command(
            "ZRANGE", open_jobs_key(shard_tag(self.account_id)), 0, -1
        )
        names = [
            key.decode().removeprefix(prefix) for key in listed if key.startswith(prefix.encode())
        ]
        return {
            name: [job.hold_id for job in await jobs.find(self.account_id, name)]
            for name in sorted(names)
        }

    def teardown(self) -> None:
        async def close() -> None:
            await self.client.close()

        self.runner.run(close())
        self.runner.close()


def _forgetting(whole: Balance, told: Balance) -> Balance:
    """As a ledger tells it that forgot what is not among what is told: all that is used up but the
    newest."""
    here = {grant.grant_id for grant in told.grants}
    gone = [grant for grant in whole.grants if grant.grant_id not in here]
    used = [grant for grant in whole.grants if not (grant.remaining_ucr or grant.held_ucr)]
    assert len(gone) == max(0, len(used) - USED_UP_KEPT)
    assert {grant.grant_id for grant in gone} <= {grant.grant_id for grant in used}
    return replace(
        whole,
        grants=tuple(grant for grant in whole.grants if grant.grant_id in here),
        forgotten=Forgotten(
            grants=len(gone),
            amount_ucr=sum(grant.amount_ucr for grant in gone),
            consumed_ucr=sum(grant.consumed_ucr for grant in gone),
            expired_ucr=sum(grant.expired_ucr for grant in gone),
            voided_ucr=sum(grant.voided_ucr for grant in gone),
        ),
    )


def _units(limit: Limit, amount: int) -> int:
    return 0 if limit.unit in (Unit.CALLS, Unit.REQUESTS) else amount


def _without_time(answer: Any) -> Any:
    named = getattr(type(answer), "__slots__", ())
    if "now_ms" not in named:
        return answer
    return type(answer), [getattr(answer, name) for name in named if name != "now_ms"]


def test_any_sequence_of_operations_conserves_money(store_url: str) -> None:
    machine = type("OnServer", (LedgerMachine,), {"url": store_url})

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
