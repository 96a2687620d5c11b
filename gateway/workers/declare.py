"""Bring what the configuration declares into the store: accounts, projects, keys, opening grants.

Idempotent, so every worker may do it. What was changed since is respected: a revoked key stays
revoked, a suspended account suspended, and its owner's alerts stay where none are declared. A key
that is no longer declared is revoked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.access.accounts import Accounts
from gateway.metering.accounts import Account, Project, Status, VirtualKey
from gateway.metering.ledger import Grant
from gateway.stores.identifying import KeyStore

CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    account: Account
    projects: tuple[Project, ...]
    keys: tuple[VirtualKey, ...]
    grants: tuple[Grant, ...]


async def declare(declared: Sequence[Declared], *, accounts: Accounts) -> None:
    """Raises StoreUnavailable, or Conflict when a grant's id was used for another amount."""
    keys, ledger = accounts.keys, accounts.ledger
    now_ms = ledger.now_ms()
    for entry in declared:
        await _account(entry.account, accounts, now_ms)
        for project in entry.projects:
            await _project(project, keys, now_ms)
        for key in entry.keys:
            await _key(key, keys, now_ms)
        for grant in entry.grants:
            await ledger.grant(grant)
    await _withdraw(declared, keys)


async def _account(account: Account, accounts: Accounts, now_ms: int) -> None:
    known = await accounts.keys.account(account.account_id)
    if known is None:
        await accounts.put(replace(account, created_ms=now_ms))
        return
    if account.plan != known.plan:
        known = await accounts.move(known, account.plan)
    wanted = replace(
        account,
        status=known.status,
        created_ms=known.created_ms,
        since_ms=known.since_ms,
        former_plan=known.former_plan,
        alerts=known.alerts if account.alerts is None else account.alerts,
    )
    if wanted != known:
        await accounts.put(wanted)


async def _project(project: Project, keys: KeyStore, now_ms: int) -> None:
    known = await keys.project(project.account_id, project.project_id)
    if known is None:
        await keys.put_project(replace(project, created_ms=now_ms))
        return
    wanted = replace(project, status=known.status, created_ms=known.created_ms)
    if wanted != known:
        await keys.put_project(wanted)


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
