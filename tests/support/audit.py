"""The ledger's promises, checked on everything stored about one account."""

import orjson

from gateway.metering.ledger import Balance
from gateway.stores.redis.decode import pairs
from gateway.stores.redis.layout import bucket_key, due_key, shard_tag
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
    await _audit_buckets(ledger, account_id, holds)
    await _audit_index(ledger, balance)
    await _audit_outbox(ledger, balance)
    return balance


def _audit_grants(balance: Balance) -> None:
    for grant in balance.grants:
        parts = (grant.remaining_ucr, grant.held_ucr, grant.consumed_ucr)
        parts += (grant.expired_ucr, grant.voided_ucr)
        assert grant.amount_ucr == sum(parts)
        assert min(parts) >= 0
    consumed = sum(grant.consumed_ucr for grant in balance.grants)
    assert balance.granted_ucr == sum(grant.amount_ucr for grant in balance.grants)
    assert balance.held_ucr == sum(grant.held_ucr for grant in balance.grants)
    spent = consumed + balance.debt_ucr + balance.observed_ucr
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


async def _live_holds(ledger: RedisLedger, account_id: str) -> dict[str, dict[bytes, bytes]]:
    tag = shard_tag(account_id)
    live = {}
    for key in await ledger._client.command("KEYS", f"{tag}h:*"):
        hold = pairs(await ledger._client.command("HGETALL", key))
        if hold[b"st"] == b"held" and hold[b"a"] == account_id.encode():
            live[key.decode().removeprefix(f"{tag}h:")] = hold
            assert await ledger._client.command("PTTL", key) == -1
    due = await ledger._client.command("ZRANGE", due_key(tag), 0, -1)
    assert set(live) <= {hold_id.decode() for hold_id in due}
    return live


def _audit_holds(balance: Balance, holds: dict[str, dict[bytes, bytes]]) -> None:
    held: dict[str, int] = {}
    for hold in holds.values():
        words = hold[b"sl"].decode().split()
        for grant_id, amount in zip(words[::2], words[1::2], strict=True):
            held[grant_id] = held.get(grant_id, 0) + int(amount)
    assert balance.live_holds == len(holds)
    assert held == {grant.grant_id: grant.held_ucr for grant in balance.grants if grant.held_ucr}
    assert balance.overdraft_held_ucr == sum(int(hold[b"od"]) for hold in holds.values())


async def _audit_buckets(
    ledger: RedisLedger, account_id: str, holds: dict[str, dict[bytes, bytes]]
) -> None:
    tag = shard_tag(account_id)
    held: dict[str, int] = {}
    for hold in holds.values():
        names = [name for name, _ in orjson.loads(hold[b"b"])]
        for name, units in zip(names, hold[b"bh"].split(), strict=True):
            held[name] = held.get(name, 0) + int(units)
    for key in await ledger._client.command("KEYS", bucket_key(tag, f"a:{account_id}:*")):
        bucket = pairs(await ledger._client.command("HGETALL", key))
        assert int(bucket.get(b"held", 0)) == held.pop(key.decode().removeprefix(f"{tag}b:"), 0)
        assert int(bucket.get(b"used", 0)) >= 0
    assert {name: units for name, units in held.items() if units} == {}


async def _audit_index(ledger: RedisLedger, balance: Balance) -> None:
    """The burn order holds exactly the grants with something left."""
    key = f"{shard_tag(balance.account_id)}a:{balance.account_id}:gi"
    members = await ledger._client.command("ZRANGE", key, 0, -1)
    left = [grant.grant_id for grant in balance.grants if grant.remaining_ucr]
    assert left == [member.decode().split("|", 4)[4] for member in members]


async def _audit_outbox(ledger: RedisLedger, balance: Balance) -> None:
    """Replaying the journal gives the balance: charges, debt, and what each grant paid."""
    entries = await ledger.events(balance.account_id)
    charging = [entry for entry in entries if entry.kind in CHARGING]
    for entry in entries:
        if entry.kind not in ("funded", "grant_expired"):
            paid = sum(amount for _, amount in entry.slices)
            assert entry.amount_ucr == paid + entry.debt_ucr + entry.observed_ucr
    assert balance.charged_ucr == sum(entry.amount_ucr for entry in charging)
    assert balance.debt_ucr == sum(entry.debt_ucr for entry in entries)
    assert balance.observed_ucr == sum(entry.observed_ucr for entry in entries)
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
    # One event per settlement; a hold may have expired first and been settled late.
    ends = [(entry.operation_id, entry.kind) for entry in charging]
    assert len(ends) == len(set(ends))
