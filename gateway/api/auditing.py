"""GET /journal and POST /audits: how far the journal goes; does an account agree with it?"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Audited, BrokenChain, Resources
from gateway.api.shapes import Amount, Body, Moment, Query, Reply, amount, moment
from gateway.api.whose import account_named
from gateway.errors import Conflict, HistoryUnavailable, NotFound
from gateway.metering.journal import shard_of

# Long journals are for `tollkeeper audit`, which takes its time.
LOOK_S = 20.0


class ShardReply(Reply):
    """A chain of the journal."""

    shard: int
    entries: int
    last_entry_id: str
    head: str
    """The hash that the next entry follows from, in hexadecimal."""


class JournalReply(Reply):
    """How far the journal goes. Each account's entries are in one chain."""

    as_of: Moment
    history_id: str
    entries: int
    chains: Sequence[ShardReply]
    """Those with entries."""


class AuditBody(Body):
    account_id: Annotated[str, Field(min_length=1, max_length=64)]


class DifferenceReply(Reply):
    """Where the ledger and its journal disagree."""

    what: str
    journal: Amount
    ledger: Amount


class AuditReply(Reply):
    """What an audit found. It changes nothing; `tollkeeper audit --repair` does."""

    account_id: str
    audited_at: Moment
    agrees: bool
    differences: Sequence[DifferenceReply]
    chain_whole: bool
    """Of the chain that the account's entries are in: each follows from the one before."""
    chain_broken_at: int | None
    """This entry, or one before it, is not as it was written."""


def admin_operations(resources: Resources) -> Sequence[Operation]:
    auditing = _Auditing(resources)
    operation = partial(
        Operation, tag="Operating", audience=Audience.ADMIN, scope=ServiceScope.ADMIN
    )
    return (
        operation(
            method="GET",
            path="/journal",
            name="getJournal",
            summary="How far the journal goes, and the heads of its chains",
            handler=auditing.journal,
            answer=JournalReply,
            errors=(HistoryUnavailable,),
        ),
        operation(
            method="POST",
            path="/audits",
            name="auditAccount",
            summary="Recompute an account from the journal and check its chain; changes nothing",
            body=AuditBody,
            handler=auditing.audit,
            answer=AuditReply,
            changes=True,
            errors=(NotFound, Conflict, HistoryUnavailable),
        ),
    )


class _Auditing:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def journal(self, _asked: Asked[Query]) -> JournalReply:
        history = self._resources.history
        positions = await history.positions()
        return JournalReply(
            as_of=moment(self._resources.ledger.now_ms()),
            history_id=await history.history_id(),
            entries=sum(each.entries for each in positions.values()),
            chains=[
                ShardReply(
                    shard=number,
                    entries=each.entries,
                    last_entry_id=each.entry_id,
                    head=each.hash.hex(),
                )
                for number, each in sorted(positions.items())
                if each.entries
            ],
        )

    async def audit(self, asked: Asked[Query]) -> AuditReply:
        assert isinstance(asked.body, AuditBody)
        account_id = asked.body.account_id
        await account_named(account_id, self._resources.keys)
        found, broken = await self._looked(account_id)
        return AuditReply(
            account_id=account_id,
            audited_at=moment(self._resources.ledger.now_ms()),
            agrees=not found.differences,
            differences=[
                DifferenceReply(
                    what=each.what,
                    journal=amount(each.journal_ucr),
                    ledger=amount(each.ledger_ucr),
                )
                for each in found.differences
            ],
            chain_whole=broken is None,
            chain_broken_at=None if broken is None else broken.number,
        )

    async def _looked(self, account_id: str) -> tuple[Audited, BrokenChain | None]:
        auditor = self._resources.oversight.auditor
        try:
            async with asyncio.timeout(LOOK_S):
                found = await auditor.account(account_id)
                return found, await auditor.chain(shard_of(account_id))
        except TimeoutError:
            raise Conflict(
                "The journal is too long to be looked at here: use `tollkeeper audit`.",
                code="audit_too_long",
            ) from None
