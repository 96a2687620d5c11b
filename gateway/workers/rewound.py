"""Notices that the store lost what it had, and gives it that again from the journal.

A replica that was behind took over, a snapshot was restored, the store was emptied: then a shard's
outbox lacks the entry that came into the history last, which is never trimmed. Such a shard is
closed: its accounts get no new calls, since what they have left is not known. What it lost is
asked for again in the journal's order, each by its own id, so nothing can happen twice, whoever
else asks for the same. When its accounts agree with the journal the shard opens again. What the
journal does not hold (accounts, keys, what a call took of its limits) it cannot give back; it tells
which keys are gone, and revokes those that had been revoked.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.errors import Conflict, GatewayError, NotFound
from gateway.metering.accounts import Status
from gateway.metering.journal import FUNDED, MOVEMENTS, Entry, Position
from gateway.metering.ledger import VoidGrant
from gateway.metering.notices import NoticeKind
from gateway.stores.base import History, Ledger, Outbox
from gateway.stores.identifying import KeyStore
from gateway.stores.rewinding import Rewind, Rewinds, correct_again, grant_again, settle_again
from gateway.workers.audit import Audit

WATCH_S = 1.0
# Somebody may have brought back what was missing: it is tried again.
RETRY_S = 10.0
PAGE = 1_000
# Settlements under way together: some milliseconds of the store's time.
AT_ONCE = 100
# Of one shard: what has to be in memory. Beyond it, totals are corrected by `audit --repair`.
LOST_MAX = 50_000


class Observer(Protocol):
    """Told how it goes; must not raise."""

    def went_back(self, rewind: Rewind) -> None: ...

    def stays_closed(self, rewind: Rewind, reason: str) -> None: ...

    def keys_lost(self, rewind: Rewind, key_ids: Sequence[str]) -> None: ...

    def caught_up(self, rewind: Rewind, *, replayed: int) -> None: ...


class Stuck(Exception):
    """What was lost is not in the journal, or not only there."""


class Rewound:
    """For the one process that drains the outboxes: nobody else knows where they stood."""

    def __init__(
        self,
        rewinds: Rewinds,
        *,
        ledger: Ledger,
        keys: KeyStore,
        outbox: Outbox,
        history: History,
        observer: Observer,
    ) -> None:
        self._rewinds = rewinds
        self._ledger = ledger
        self._keys = keys
        self._history = history
        self._audit = Audit(ledger, outbox, history)
        self._observer = observer
        self._retry_at_s: dict[int, float] = {}
        # Their position moves on with the first entry behind it.
        self._noted: dict[int, str] = {}

    async def look(self, positions: Mapping[int, Position]) -> None:
        """Close the shards that lack the entry at their position."""
        lacking = await self._rewinds.lacking(positions)
        if not lacking:
            return
        closed = {rewind.shard: rewind.lost_id for rewind in await self._rewinds.closed()}
        for shard in lacking:
            at = positions[shard]
            if at.entry_id in (self._noted.get(shard), closed.get(shard)):
                continue
            rewind = Rewind(
                shard=shard,
                lost_id=at.entry_id,
                lost_number=at.entries,
                since_ms=self._ledger.now_ms(),
            )
            await self._rewinds.note(rewind)
            self._noted[shard] = at.entry_id
            self._retry_at_s.pop(shard, None)
            self._observer.went_back(rewind)

    async def repair(self) -> None:
        """What can be, of the shards that are closed."""
        now_s = asyncio.get_running_loop().time()
        for rewind in await self._rewinds.closed():
            if now_s < self._retry_at_s.get(rewind.shard, 0.0):
                continue
            try:
                replayed = await self._replay(rewind)
            except (Stuck, Conflict) as error:
                self._retry_at_s[rewind.shard] = now_s + RETRY_S
                if str(error) != rewind.stuck:
                    await self._rewinds.stuck(rewind, str(error))
                    self._observer.stays_closed(rewind, str(error))
            else:
                await self._rewinds.open(rewind.shard)
                self._observer.caught_up(rewind, replayed=replayed)

    async def _replay(self, rewind: Rewind) -> int:
        lost = await self._lost(rewind)
        accounts = sorted({entry.account_id for entry in lost})
        for account_id in accounts:
            if await self._keys.account(account_id) is None:
                raise Stuck(
                    f"The store has no account {account_id!r}: accounts and keys are not in the "
                    "journal. Restore a backup of the store; what came after it is replayed."
                )
        movements = [entry for entry in lost if entry.kind in MOVEMENTS]
        await self._ask_again(movements)
        if key_ids := await self._keys_lost(lost):
            self._observer.keys_lost(rewind, key_ids)
        for account_id in accounts:
            if (await self._audit.account(account_id)).differences:
                raise Stuck(f"{account_id!r} still differs from the journal.")
        return len(movements)

    async def _keys_lost(self, lost: Sequence[Entry]) -> Sequence[str]:
        """Those that were made and are not there. Those that were revoked are so again."""
        gone = []
        for entry in lost:
            if entry.kind not in (
                NoticeKind.KEY_CREATED,
                NoticeKind.KEY_ROTATED,
                NoticeKind.KEY_REVOKED,
            ):
                continue
            key = await self._keys.key(entry.operation_id)
            if key is None:
                gone.append(entry.operation_id)
            elif entry.kind == NoticeKind.KEY_REVOKED and key.status is not Status.REVOKED:
                await self._keys.set_key_status(key.key_id, Status.REVOKED)
        return sorted(set(gone))

    async def _lost(self, rewind: Rewind) -> Sequence[Entry]:
        """What the shard had behind the last entry that it still shares with the history."""
        shared = await self._rewinds.newest(rewind.shard, until_id=rewind.lost_id)
        lost: list[Entry] = []
        end = rewind.lost_number
        while end > 0:
            after = max(0, end - PAGE)
            page = await self._history.chain(rewind.shard, after=after, limit=end - after)
            for each in reversed(page):
                if each.entry.entry_id in shared:
                    return lost[::-1]
                if each.entry.account_id:
                    lost.append(each.entry)
            if len(lost) > LOST_MAX:
                raise Stuck(f"It lost more than {LOST_MAX} entries, too many to replay one by one.")
            end = after
        return lost[::-1]

    async def _ask_again(self, lost: Sequence[Entry]) -> None:
        """In their order. Of a call that expired and was settled late, its end as it was last."""
        ends = {entry.operation_id: entry for entry in lost if entry.charges and entry.event}
        charges: list[Entry] = []
        for entry in lost:
            if entry.charges:
                if ends.get(entry.operation_id) is entry:
                    charges.append(entry)
                if len(charges) == AT_ONCE:
                    await self._charge(charges)
                continue
            await self._charge(charges)
            await self._move(entry)
        await self._charge(charges)

    async def _charge(self, entries: list[Entry]) -> None:
        asks = [settle_again(entry) for entry in entries]
        entries.clear()
        await asyncio.gather(*(self._ledger.settle(ask) for ask in asks))

    async def _move(self, entry: Entry) -> None:
        """Other movements than these come by themselves: a grant lapses at its time again."""
        if entry.kind == FUNDED:
            await self._ledger.grant(grant_again(entry))
        elif entry.kind == "corrected":
            await self._ledger.correct(correct_again(entry))
        elif entry.kind == "voided":
            await self._void(entry)

    async def _void(self, entry: Entry) -> None:
        """As much as was ever taken back of that grant."""
        voided_ucr = number = 0
        account_id, grant_id = entry.account_id, entry.operation_id
        while page := await self._history.journal(account_id, after=number, limit=PAGE):
            voided_ucr += sum(
                each.entry.amount_ucr
                for each in page
                if each.entry.kind == "voided" and each.entry.operation_id == grant_id
            )
            number = page[-1].number
        try:
            await self._ledger.void_grant(VoidGrant(grant_id, account_id, voided_ucr))
        except NotFound as error:
            raise Stuck(f"The grant {grant_id!r} of {account_id!r} is not there.") from error


class Watch:
    """What each worker knows of closed shards, a second old at most while the store answers."""

    def __init__(
        self,
        rewinds: Rewinds,
        *,
        on_closed: Callable[[frozenset[int]], None],
        on_failure: Callable[[GatewayError], None],
    ) -> None:
        self._rewinds = rewinds
        self._on_closed = on_closed
        self._on_failure = on_failure
        self.closed: Sequence[Rewind] = ()

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except GatewayError as error:
                self._on_failure(error)
            await asyncio.sleep(WATCH_S)

    async def look(self) -> None:
        self.closed = await self._rewinds.closed()
        self._on_closed(frozenset(rewind.shard for rewind in self.closed))
