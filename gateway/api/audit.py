"""GET /audit: who changed what, when, from where, and what came of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Moment, Page, Query, Reply, moment, moment_or_none
from gateway.stores.auditing import Noted

# Entries looked at for one page of those that match.
LOOKED_AT_MAX = 10_000
PAGE = 1_000


class AuditQuery(Query):
    """Which changes."""

    account_id: Annotated[str, Field(max_length=64)] = ""
    """Only those of this account."""
    action: Annotated[str, Field(max_length=64)] = ""
    """Only this operation, such as `revokeKey`."""
    cursor: Annotated[str, Field(pattern="^[0-9]{0,15}$")] = ""
    """`next_cursor` of the page before. A page may be short, or empty, and not the last."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class ChangeReply(Reply):
    """A change, or the attempt at one."""

    number: int
    time: Moment
    ended_at: Moment | None
    action: str
    """The operation's name, as in this API's description; or the command's."""
    actor: str
    """`service:<id>`; `command:<user>` for who ran a command."""
    via: str
    """`callers` or `admin`, the listener; or `command`."""
    address: str
    account_id: str
    subject: str
    """What was made or changed, such as a key's id."""
    outcome: str
    """`done`; `unfinished`: its process died, or it still runs; `failed`; or an error's code."""
    request_id: str
    details: Mapping[str, object]
    """As it was asked for. Secrets are no part of any question."""


class ChangePage(Page[ChangeReply]):
    """Newest first."""


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_audit(asked: Asked[Query]) -> ChangePage:
        query = asked.query
        assert isinstance(query, AuditQuery)
        before = int(query.cursor) if query.cursor else None
        found: list[Noted] = []
        looked_at = 0
        while len(found) < query.limit and looked_at < LOOKED_AT_MAX:
            page = await resources.trail.listed(before=before, limit=PAGE)
            if not page:
                return ChangePage(data=[_told(each) for each in found], next_cursor=None)
            for noted in page:
                before, looked_at = noted.number, looked_at + 1
                if _matches(noted, query):
                    found.append(noted)
                if len(found) == query.limit:
                    break
        return ChangePage(data=[_told(each) for each in found], next_cursor=str(before))

    return (
        Operation(
            method="GET",
            path="/audit",
            name="listChanges",
            summary="Who changed what, when, from where, and what came of it",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_audit,
            query=AuditQuery,
            answer=ChangePage,
        ),
    )


def _matches(noted: Noted, query: AuditQuery) -> bool:
    change = noted.change
    return query.account_id in ("", change.account_id) and query.action in ("", change.action)


def _told(noted: Noted) -> ChangeReply:
    change = noted.change
    return ChangeReply(
        number=noted.number,
        time=moment(change.begun_ms),
        ended_at=moment_or_none(change.ended_ms),
        action=change.action,
        actor=change.actor,
        via=change.via,
        address=change.address,
        account_id=change.account_id,
        subject=change.subject,
        outcome=change.outcome,
        request_id=change.request_id,
        details=change.details,
    )
