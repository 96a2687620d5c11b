"""Bring what the configuration declares into the store: accounts, keys, opening grants.

Idempotent, so every worker may do it. What commands changed since is respected: a revoked key
stays revoked, a suspended account suspended. A key that is no longer declared is revoked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.metering.accounts import Account, Status, VirtualKey
from gateway.metering.ledger import Grant
from gateway.stores.base import KeyStore, Ledger

CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    account: Account
    keys: tuple[VirtualKey, ...]
    grants: tuple[Grant, ...]


async def declare(declared: Sequence[Declared], *, keys: KeyStore, ledger: Ledger) -> None:
    """Raises StoreUnavailable, or Conflict when a grant's id was used for another amount."""
    now_ms = ledger.now_ms()
    for entry in declared:
        await _account(entry.account, keys, now_ms)
        for key in entry.keys:
            await _key(key, keys, now_ms)
        for grant in entry.grants:
            await ledger.grant(grant)
    await _withdraw(declared, keys)


async def _account(account: Account, keys: KeyStore, now_ms: int) -> None:
    known = await keys.account(account.account_id)
    if known is None:
        await keys.put_account(replace(account, created_ms=now_ms))
        return
    wanted = replace(account, status=known.status, created_ms=known.created_ms)
    if wanted != known:
        await keys.put_account(wanted)


async def _key(key: VirtualKey, keys: KeyStore, now_ms: int) -> None:
    known = await keys.key(key.key_id)
    if known is None:
        await keys.put_key(replace(key, created_ms=now_ms))
        return
    wanted = replace(key, status=known.status, created_ms=known.created_ms)
    if wanted != known:
        await keys.put_key(wanted)


async def _withdraw(declared: Sequence[Declared], keys: KeyStore) -> None:
    still = {key.key_id for entry in declared for key in entry.keys}
    for key in await keys.keys():
        gone = key.source == CONFIG and key.key_id not in still
        if gone and key.status is Status.ACTIVE:
            await keys.set_key_status(key.key_id, Status.REVOKED)
