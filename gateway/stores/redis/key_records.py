"""Accounts, projects and keys as the fields of their hashes, and back. Pure.

`st` is the status, read by the reserve script as well; amounts of time are ms, in decimal.
"""

from collections.abc import Sequence

import orjson

from gateway.metering.accounts import Account, Project, Status, VirtualKey
from gateway.metering.alerts import Alert, alerts_named
from gateway.stores.redis.decode import pairs
from gateway.stores.stored_limit import limit_of

ACCOUNT_FIELDS = ("st", "plan", "name", "created", "external", "anchor", "since", "former", "own")

# Names and values in turn, as HSET takes them.
Fields = tuple[str | bytes | int, ...]


def account_fields(account: Account) -> Fields:
    return (
        *("st", account.status, "plan", account.plan),
        *("name", account.name, "created", account.created_ms),
        *("external", orjson.dumps(dict(account.external))),
        *("anchor", account.anchor_ms, "since", account.since_ms, "former", account.former_plan),
        *("own", "" if account.alerts is None else orjson.dumps(_names(account.alerts))),
    )


def account_of(account_id: str, values: Sequence[bytes | None]) -> Account | None:
    """From the values of ACCOUNT_FIELDS; None if the account was never put."""
    status, plan, name, created, external, anchor, since, former, own = values
    # The ledger may have made the hash: without a plan there is no account in it.
    if status is None or plan is None or name is None or created is None:
        return None
    return Account(
        account_id=account_id,
        plan=plan.decode(),
        status=Status(status.decode()),
        name=name.decode(),
        created_ms=int(created),
        external=orjson.loads(external or b"{}"),
        anchor_ms=int(anchor or 0),
        since_ms=int(since or 0),
        former_plan=(former or b"").decode(),
        alerts=alerts_named(orjson.loads(own)) if own else None,
    )


def _names(alerts: Sequence[Alert]) -> list[str]:
    return [alert.name for alert in alerts]


def project_text(project: Project) -> bytes:
    return orjson.dumps(project)


def project_of(text: bytes) -> Project:
    content = orjson.loads(text)
    return Project(
        project_id=content["project_id"],
        account_id=content["account_id"],
        name=content["name"],
        status=Status(content["status"]),
        limits=tuple(limit_of(limit) for limit in content["limits"]),
        created_ms=content["created_ms"],
    )


def key_fields(key: VirtualKey) -> Fields:
    """Every field, always: putting a key leaves nothing of an older one behind."""
    return (
        *("st", key.status, "account", key.account_id, "digest", key.digest, "name", key.name),
        *("project", key.project_id),
        *("models", orjson.dumps(key.models), "limits", orjson.dumps(key.limits)),
        *("created", key.created_ms, "expires", key.expires_ms, "source", key.source),
        *("manages", int(key.manages)),
    )


def key_of(key_id: str, flat: Sequence[bytes]) -> VirtualKey | None:
    fields = pairs(flat)
    if b"digest" not in fields:
        return None
    return VirtualKey(
        key_id=key_id,
        account_id=fields[b"account"].decode(),
        digest=fields[b"digest"].decode(),
        project_id=fields.get(b"project", b"").decode(),
        status=Status(fields[b"st"].decode()),
        name=fields[b"name"].decode(),
        models=tuple(orjson.loads(fields[b"models"])),
        limits=tuple(limit_of(limit) for limit in orjson.loads(fields[b"limits"])),
        created_ms=int(fields[b"created"]),
        expires_ms=int(fields[b"expires"]),
        manages=fields[b"manages"] == b"1",
        source=fields[b"source"].decode(),
    )
