"""What accounts create at providers and those keep: remembered, for later calls to build on.

An object's record is written when the answer that created it has passed. Whoever asks for it at
once may come a moment too early, so what is not found is looked for once more.
"""

import asyncio
from collections.abc import Generator, Mapping, Sequence

from gateway.dialects.base import Request
from gateway.dialects.jobs import decoded, text_of
from gateway.dialects.memos import NO_FACTS, Facts, Memo
from gateway.errors import StoreUnavailable
from gateway.metering.accounts import Caller
from gateway.proxy.observation import Observation
from gateway.stores.base import ObjectStore
from gateway.tasks import TaskSet

AGAIN_S = 0.1
# An object described in more than this is none that is remembered.
ANSWER_BYTES_MAX = 1024 * 1024
WRITES_MAX = 6
WRITE_PAUSE_S = 0.5


class Creation:
    """One answer that creates an object: a copy of it comes to `feed`."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._pieces: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes <= ANSWER_BYTES_MAX:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def object_id(self) -> str:
        """Empty if the answer names none."""
        document = decoded(b"".join(self._pieces))
        return text_of(document, "id") if isinstance(document, dict) else ""


class StoredObjects:
    def __init__(
        self,
        store: ObjectStore,
        *,
        memos: Mapping[str, Memo],
        tasks: TaskSet,
        observation: Observation,
    ) -> None:
        """`memos`: by the names in the endpoints' rows."""
        self._store = store
        self._memos = memos
        self._tasks = tasks
        self._observation = observation

    async def known(
        self, caller: Caller, api: str, ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, object]]:
        """The records of those that the caller's account created. Raises StoreUnavailable."""
        if not ids:
            return {}
        account_id = caller.account.account_id
        names = [f"{api}:{each}" for each in ids]
        records = await self._store.get(account_id, names)
        if None in records:
            await asyncio.sleep(AGAIN_S)
            records = await self._store.get(account_id, names)
        return {
            each: record for each, record in zip(ids, records, strict=True) if record is not None
        }

    async def creating(self, memo: str, request: Request) -> Creation | None:
        """For a request that creates something worth remembering; `memo` as its endpoint says."""
        known = self._memos.get(memo)
        return None if known is None else Creation(await _in_turns(known.facts(request)))

    def created(self, caller: Caller, api: str, creation: Creation) -> None:
        """The answer has passed whole, and it was no refusal."""
        object_id = creation.object_id()
        if object_id:
            self._tasks.start(
                self._put(caller.account.account_id, f"{api}:{object_id}", creation.facts),
                name="remember a created object",
            )

    async def _put(self, account_id: str, name: str, facts: Facts) -> None:
        for attempt in range(WRITES_MAX):
            try:
                await self._store.put(account_id, name, facts)
            except StoreUnavailable as error:
                if attempt == WRITES_MAX - 1:
                    self._observation.not_remembered(error)
                await asyncio.sleep(WRITE_PAUSE_S * 2**attempt)
            else:
                return


async def _in_turns(work: Generator[None, None, Facts]) -> Facts:
    """Others have their turn whenever it yields."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            facts: Facts = done.value or NO_FACTS
            return facts
        await asyncio.sleep(0)
