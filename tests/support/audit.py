"""The ledger's promises, checked on everything stored about one account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from support import books

from gateway.metering.balance import Balance
from gateway.metering.journal import Entry
from gateway.stores.redis.decode import pairs
from gateway.stores.redis.layout import account_key, due_key, money_keys, shard_tag
from gateway.stores.redis.ledger import RedisLedger

CHARGING = ("settled", "expired", "late")
# What a movement's slices become; those of all others are consumed.
BOOKED = {"grant_expired": "expired", "voided": "voided", "corrected": "voided"}


async def audit_account(ledger: RedisLedger, account_id: str) -> Balance:
    """Assert all invariants; answer the balance, for whatever else the test wants of it."""
    balance = await ledger.balance(account_id)
    holds = await _live_holds(ledger, account_id)
    _audit_grants(balance)
    _audit_holds(balance, holds)
    await _audit_buckets(ledger, balance, holds)
    await _audit_index(ledger, balance)
    await _audit_outbox(ledger, balance)
    return balance


def _audit_grants(balance: Balance) -> None:
    for grant in balance.grants:
        parts = (grant.remaining_ucr, grant.held_ucr, grant.consumed_ucr)
        parts += (grant.expired_ucr, grant.voided_ucr)
        assert grant.amount_ucr == sum(parts)
        assert min(parts) >= 0
    gone = balance.forgotten
    assert gone.amount_ucr == gone.consumed_ucr + gone.expired_ucr + gone.voided_ucr
    granted = gone.amount_ucr + sum(grant.amount_ucr for grant in balance.grants)
    assert balance.granted_ucr == granted
    assert balance.held_ucr == sum(grant.held_ucr for grant in balance.grants)
    spent = balance.consumed_ucr + balance.debt_ucr + balance.observed_ucr
    assert balance.charged_ucr + balance.corrected_ucr == spent
    open_now = [
        grant.remaining_ucr
        for grant in balance.grants
        if grant.effective_ms <= balance.now_ms and not 0 < grant.expires_ms <= balance.now_ms
    ]
    assert balance.available_ucr == sum(open_now)
    assert 0 in (balance.debt_ucr, balance.available_ucr)
    totals = (balance.available_ucr, balance.overdraft_held_ucr, balance.debt_ucr)
    assert min(*totals, balance.observed_ucr, balance.live_holds) >= 0


async def _live_holds(ledger: RedisLedger, account_id: str) -> dict[str, books.Hold]:
    tag = shard_tag(account_id)
    live = {}
    for key in await ledger._client.command("KEYS", f"{tag}h:*"):
        hold_id = key.decode().removeprefix(f"{tag}h:")
        hold = await books.hold(ledger._client, account_id, hold_id)
        if hold.state == "held" and hold.account_id == account_id:
            live[hold_id] = hold
            assert await ledger._client.command("PTTL", key) == -1
    due = await ledger._client.command("ZRANGE", due_key(tag), 0, -1)
    assert set(live) <= {hold_id.decode() for hold_id in due}
    return live


def _audit_holds(balance: Balance, holds: dict[str, books.Hold]) -> None:
    held: dict[str, int] = {}
    for hold in holds.values():
        for grant_id, amount in hold.slices:
            held[grant_id] = held.get(grant_id, 0) + amount
    assert balance.live_holds == len(holds)
    assert held == {grant.grant_id: grant.held_ucr for grant in balance.grants if grant.held_ucr}
    assert balance.overdraft_held_ucr == sum(hold.overdraft_ucr for hold in holds.values())


async def _audit_buckets(
    ledger: RedisLedger, balance: Balance, holds: dict[str, books.Hold]
) -> None:
    """Each bucket holds what live holds have in it; one is missing only if its window is over."""
    held: dict[int, int] = {}
    over = set()
    for hold in holds.values():
        for number, units in hold.in_bucket.items():
            held[number] = held.get(number, 0) + units
            if 0 < hold.expires_ms[number] <= balance.now_ms:
                over.add(number)
    for owner in await books.owners(ledger._client, balance.account_id):
        stored = await books.buckets(ledger._client, balance.account_id, owner)
        for number, (units, used) in stored.items():
            assert units == held.pop(number, 0)
            assert used >= 0
    assert {number for number, units in held.items() if units} <= over


async def _audit_index(ledger: RedisLedger, balance: Balance) -> None:
    """The burn order holds exactly the grants with something left; behind them are those that
    are used up, and everything that is stored of a grant is of one that is told of."""
    _, index, grants, _ = money_keys(balance.account_id)
    listed = await ledger._client.command("ZRANGE", index, 0, -1, "WITHSCORES")
    names = [member.decode().split("|", 4)[4] for member in listed[::2]]
    scores = [int(score) for score in listed[1::2]]
    left = [grant.grant_id for grant in balance.grants if grant.remaining_ucr]
    used = {
        grant.grant_id for grant in balance.grants if not (grant.remaining_ucr or grant.held_ucr)
    }
    assert left == names[: len(left)]
    assert sorted(used) == sorted(names[len(left) :])
    assert [bool(score) for score in scores] == [name in used for name in names]
    fields = await ledger._client.command("HKEYS", grants)
    stored = {field.decode().rpartition(":")[0] for field in fields}
    assert stored == {grant.grant_id for grant in balance.grants}


async def _audit_outbox(ledger: RedisLedger, balance: Balance) -> None:
    """Replaying the journal gives the balance: charges, debt, and what each grant paid."""
    entries = await ledger.events(balance.account_id)
    charging = [entry for entry in entries if entry.kind in CHARGING]
    for entry in entries:
        if entry.kind not in ("funded", "grant_expired", "rolled_over"):
            paid = sum(amount for _, amount in entry.slices)
            assert entry.amount_ucr == paid + entry.debt_ucr + entry.observed_ucr
    assert balance.charged_ucr == sum(entry.amount_ucr for entry in charging)
    assert balance.debt_ucr == sum(entry.debt_ucr for entry in entries)
    assert balance.observed_ucr == sum(entry.observed_ucr for entry in entries)
    told = {grant.grant_id for grant in balance.grants}
    for grant in balance.grants:
        booked = {"consumed": 0, "expired": 0, "voided": 0}
        for entry in entries:
            kind = BOOKED.get(entry.kind, "consumed")
            booked[kind] += sum(ucr for name, ucr in entry.slices if name == grant.grant_id)
        assert booked == {
            "consumed": grant.consumed_ucr,
            "expired": grant.expired_ucr,
            "voided": grant.voided_ucr,
        }
    funded = {entry.operation_id for entry in entries if entry.kind == "funded"}
    assert len(funded - told) == balance.forgotten.grants
    # One event per settlement; a hold may have expired first and been settled late.
    ends = [(entry.operation_id, entry.kind) for entry in charging]
    assert len(ends) == len(set(ends))


@dataclass(frozen=True, slots=True)
class Alerts:
    """How an account's alerts stand, and what was told."""

    left: int
    fields: Mapping[bytes, bytes]
    entries: Sequence[Entry]


async def account_alerts(ledger: RedisLedger, balance: Balance) -> Alerts:
    account_id = balance.account_id
    stored = await ledger._client.command("HGETALL", account_key(account_id))
    left = balance.available_ucr + balance.held_ucr - balance.debt_ucr
    return Alerts(left, pairs(stored), await ledger.events(account_id))


def audit_alerts(alerts: Alerts) -> None:
    """A mark that is reached was told and one above which the balance is was not; each is told and
    restored in turn; each grant's beginning and end is told once."""
    fields = alerts.fields
    of, gone = int(fields.get(b"of", 0)), int(fields.get(b"gone", 0))
    told = fields.get(b"told", b"").decode().split()
    words = fields.get(b"alerts", b"").decode().split()
    for name, number in zip(words[::2], words[1::2], strict=True):
        mark = of * int(number[1:]) // 100 if number[0] == "p" else int(number[1:])
        if number == "p0":
            mark = max(0, gone)
        if of:
            assert (alerts.left <= mark) == (name in told)
        kinds = [
            entry.kind
            for entry in alerts.entries
            if entry.kind.startswith("balance.") and entry.event["alert"] == name
        ]
        assert all(one != other for one, other in pairwise(kinds))
        assert {"balance.low", "balance.depleted", "balance.restored"} >= set(kinds)
    for kind in ("allowance.reset", "grant.expiring"):
        grants = [entry.operation_id for entry in alerts.entries if entry.kind == kind]
        assert len(grants) == len(set(grants))
