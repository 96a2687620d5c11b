"""GET /key: what the presented key is, and what it may do."""

from collections.abc import Sequence

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.shapes import Moment, Query, Reply, moment, moment_or_none
from gateway.metering.accounts import Caller
from gateway.metering.limits import Limit


class LimitReply(Reply):
    """A rule that calls of this key are held to."""

    name: str
    unit: str
    window: str
    """UTC calendar window, weeks from Monday; `none` for parallel calls, `total` for ever."""
    scope: str
    """`account`: shared by all of the account's keys; `project`: by those of the project; `key`:
    this key's own."""
    ceiling: int
    """In its unit; credits are counted in microcredits."""
    shadow: bool
    """Counted, never refused."""


class KeyReply(Reply):
    """The presented key."""

    id: str
    name: str
    manages: bool
    """It is the account's key: it may manage the other keys."""
    account_id: str
    account_name: str
    project: str | None
    """The part of the account whose limits count as well."""
    plan: str
    models: Sequence[str]
    """Globs; a model must match one of the plan's and one of these, if there are any."""
    plan_models: Sequence[str]
    enforcement: str
    limits: Sequence[LimitReply]
    created_at: Moment
    expires_at: Moment | None
    """Null: never."""


def operations() -> Sequence[Operation]:
    return (
        Operation(
            method="GET",
            path="/key",
            name="getKey",
            summary="The presented key, and what it may do",
            tag="Self-service",
            audience=Audience.KEY,
            handler=_get_key,
            answer=KeyReply,
        ),
    )


async def _get_key(asked: Asked[Query]) -> KeyReply:
    return key_reply(asked.holder)


def key_reply(holder: Caller) -> KeyReply:
    key, account, plan = holder.key, holder.account, holder.plan
    return KeyReply(
        id=key.key_id,
        name=key.name,
        manages=key.manages,
        account_id=account.account_id,
        account_name=account.name,
        project=key.project_id or None,
        plan=plan.name,
        models=key.models,
        plan_models=plan.models,
        enforcement=plan.enforcement,
        limits=[limit_reply(limit) for limit in holder.limits],
        created_at=moment(key.created_ms),
        expires_at=moment_or_none(key.expires_ms),
    )


def limit_reply(limit: Limit) -> LimitReply:
    return LimitReply(
        name=limit.name,
        unit=limit.unit,
        window=limit.window,
        scope=limit.scope,
        ceiling=limit.ceiling,
        shadow=limit.shadow,
    )
