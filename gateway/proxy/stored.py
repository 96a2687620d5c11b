"""What accounts create at providers and those keep: remembered, to be the account's alone.

All accounts share one credential there, so a provider would hand one's files to another. A request
that names an object its account did not create is answered as if there were none.

An object's record is written when the answer that told of it has passed. This process knows it
from then on; whoever asks another one at once may come a moment too early, so what is not found is
looked for again.
"""

import asyncio
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import partial
from typing import cast

from gateway.dialects.base import Request
from gateway.dialects.endpoint import GEMINI, Endpoint
from gateway.dialects.forms import is_form
from gateway.dialects.jobs import EVENT_STREAM
from gateway.dialects.memos import NO_FACTS, REFERS, Facts, Memo
from gateway.dialects.stored_answers import tells, told_in
from gateway.dialects.stored_lists import CURSORS
from gateway.dialects.stored_references import references
from gateway.errors import Forbidden, ObjectNotFound, StoreUnavailable
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.proxy.aside import aside
from gateway.proxy.begun import decoded_copy
from gateway.proxy.observation import Observation
from gateway.stores.base import ObjectStore
from gateway.tasks import TaskSet

AGAIN_S = (0.1, 0.3)
# An answer longer than this tells of objects in its beginning only, if at all.
ANSWER_BYTES_MAX = 1024 * 1024
BEGINNING_BYTES = 64 * 1024
WRITES_MAX = 6
WRITE_PAUSE_S = 0.5
# What one answer can make an account's own.
TOLD_MAX = 1_000
# Kept by OpenAI for 30 days; there are as many of them as calls.
BRIEFLY = frozenset({"openai_responses", "openai_chat"})


def belongs_to_one(call: Call, endpoint: Endpoint, *, refers: bool) -> bool:
    """Whether a metered call belongs to the provider that keeps what is stored: it refers to such
    an object (`refers`), creates one, or begins a job."""
    creates = endpoint.stored.creates and tells(call, dialect=endpoint.dialect)
    return bool(refers or creates or call.deferred or call.others)


class Creation:
    """One answer that may tell of stored objects: a copy of it comes to `feed`."""

    def __init__(
        self, endpoint: Endpoint, facts: Facts, *, only_itself: bool, about: str = ""
    ) -> None:
        """`facts` are remembered of the object that is created; `about`: one that is known."""
        self.endpoint = endpoint
        self.facts = facts
        self._only_itself = only_itself
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._content_type = ""
        self._told: set[str] = {about}
        self._tell: Callable[[Creation], None] | None = None

    def reading(
        self,
        *,
        content_type: str,
        encoding: str,
        tell: "Callable[[Creation], None] | None" = None,
    ) -> Callable[[bytes], None]:
        """Where a copy of the answer's body goes. `tell` is called once, as soon as a stream has
        told of something: its client may go on with it at once, as in cancelling it."""
        self._content_type = content_type
        self._tell = tell if content_type == EVENT_STREAM else None
        return decoded_copy(self.feed, encoding=encoding)

    def feed(self, data: bytes) -> None:
        before = self._bytes
        self._bytes += len(data)
        if self._bytes <= ANSWER_BYTES_MAX:
            self._pieces.append(data)
        elif before <= ANSWER_BYTES_MAX:
            self._pieces = [b"".join(self._pieces)[:BEGINNING_BYTES]]
        if self._tell is not None:
            self._tell_early(self._tell)

    def _tell_early(self, tell: "Callable[[Creation], None]") -> None:
        if self._bytes > BEGINNING_BYTES:
            self._tell = None
        elif self._all_ids():
            self._tell = None
            tell(self)

    def ids(self) -> Sequence[str]:
        """What was not told before; a created object comes first."""
        new = [each for each in self._all_ids() if each not in self._told]
        self._told.update(new)
        return new[: 1 if self._only_itself else TOLD_MAX]

    def _all_ids(self) -> Sequence[str]:
        endpoint = self.endpoint
        return told_in(
            b"".join(self._pieces),
            content_type=self._content_type,
            api=endpoint.api,
            collection=endpoint.stored.collection,
        )


class StoredObjects:
    def __init__(
        self,
        store: ObjectStore,
        *,
        memos: Mapping[str, Memo],
        by_account: Collection[str],
        tasks: TaskSet,
        observation: Observation,
    ) -> None:
        """`memos`: by the names in the endpoints' rows. `by_account`: the APIs whose stored objects
        are only for the account that created them."""
        self._store = store
        self._memos = memos
        self._by_account = frozenset(by_account)
        self._tasks = tasks
        self._observation = observation
        # By account and name, while their records are being written.
        self._writing: dict[tuple[str, str], Facts] = {}

    async def refuse_others(self, endpoint: Endpoint, asked: Request, caller: Caller) -> None:
        """For a call that is not metered: whatever it names must be the caller's own.

        Raises ObjectNotFound, StoreUnavailable, and BadCall if it cannot be told for certain.
        """
        if endpoint.api not in self._by_account:
            return
        stored = endpoint.stored
        if stored.changes_all:
            raise Forbidden(
                f"{endpoint.method} {endpoint.pattern} is not available through this gateway: it "
                "changes what belongs to no account.",
                code="endpoint_refused",
                should_retry=False,
            )
        named = self._named(endpoint, asked)
        if stored.lists:
            named += [asked.query[name] for name in CURSORS if asked.query.get(name)]
        await self.require(caller, endpoint.api, named)

    async def refuse_others_of(self, endpoint: Endpoint, asked: Request, caller: Caller) -> bool:
        """The same for a metered call; whether it names anything."""
        named = await aside(asked.body, partial(self._named, endpoint, asked))
        if endpoint.api in self._by_account:
            await self.require(caller, endpoint.api, named)
        return bool(named)

    def _named(self, endpoint: Endpoint, asked: Request) -> list[str]:
        found = [_owner(endpoint, asked)] if endpoint.stored.owner else []
        # An upload's body is the file itself.
        if asked.body and not asked.path.startswith("/upload/") and not is_form(asked.content_type):
            found += references(asked.body, api=endpoint.api)
        return found

    async def require(self, caller: Caller, api: str, ids: Sequence[str]) -> None:
        """Raises ObjectNotFound unless the caller's account created all of them, and
        StoreUnavailable."""
        known = await self.known(caller, api, ids)
        for each in ids:
            if each not in known:
                raise ObjectNotFound(
                    f"There is no stored object {each[:100]!r} of this account. What was not "
                    "created through this gateway with a key of the same account is not found.",
                    should_retry=False,
                )

    async def sized(
        self, caller: Caller, api: str, ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, object]]:
        """What is remembered of what a call is sized by. Raises ObjectNotFound and
        StoreUnavailable."""
        if api in self._by_account:
            await self.require(caller, api, ids)
        return await self.known(caller, api, ids)

    async def known(
        self, caller: Caller, api: str, ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, object]]:
        """The records of those that the caller's account created. Raises StoreUnavailable."""
        if not ids:
            return {}
        names = [f"{api}:{each}" for each in ids]
        records = await self._records(caller.account.account_id, names)
        for pause_s in AGAIN_S:
            if None not in records:
                break
            await asyncio.sleep(pause_s)
            records = await self._records(caller.account.account_id, names)
        return {
            each: record for each, record in zip(ids, records, strict=True) if record is not None
        }

    async def _records(
        self, account_id: str, names: Sequence[str]
    ) -> Sequence[Mapping[str, object] | None]:
        written = await self._store.get(account_id, names)
        return [
            self._writing.get((account_id, name)) if record is None else record
            for name, record in zip(names, written, strict=True)
        ]

    async def own(self, caller: Caller, api: str, ids: Sequence[str]) -> Collection[str]:
        """Those of them that the caller's account created. Raises StoreUnavailable."""
        names = [f"{api}:{each}" for each in ids]
        found = await self._store.own(caller.account.account_id, names)
        return {each for each, own in zip(ids, found, strict=True) if own}

    def filtered(self, endpoint: Endpoint) -> bool:
        """A list of it may show each account its own objects only."""
        return endpoint.stored.lists and endpoint.api in self._by_account

    def creation(self, call: Call, endpoint: Endpoint) -> Creation | None:
        """For a metered call whose answer tells of something to remember."""
        if not self._wanted(endpoint) or not tells(call, dialect=endpoint.dialect):
            return None
        return Creation(endpoint, NO_FACTS, only_itself=False)

    async def creating(
        self, endpoint: Endpoint, request: Request, caller: Caller
    ) -> Creation | None:
        """For a call that is not metered: the same, with what there is to remember of what it
        brings along. Raises ObjectNotFound for a file of requests that refer to what is not the
        caller's."""
        memo = self._memos.get(endpoint.memo)
        wanted = self._wanted(endpoint)
        if memo is None:
            about = _owner(endpoint, request) if endpoint.stored.owner else ""
            made = Creation(endpoint, NO_FACTS, only_itself=False, about=about)
            return made if wanted else None
        facts = dict(await _in_turns(memo.facts(request)))
        refers = cast("Sequence[str]", facts.pop(REFERS, ()))
        if endpoint.api in self._by_account:
            await self.require(caller, endpoint.api, refers)
        return Creation(endpoint, facts, only_itself=not wanted)

    def _wanted(self, endpoint: Endpoint) -> bool:
        stored = endpoint.stored
        return stored.creates and not stored.lists and endpoint.api in self._by_account

    def created(self, caller: Caller, creation: Creation) -> None:
        """The answer has passed, and it was no refusal."""
        endpoint = creation.endpoint
        first, *others = creation.ids() or ("",)
        briefly = endpoint.dialect in BRIEFLY
        if first:
            self._remember(caller, endpoint.api, [first], creation.facts, briefly=briefly)
        self._remember(caller, endpoint.api, others, NO_FACTS, briefly=briefly)

    def told(self, caller: Caller, api: str, ids: Sequence[str]) -> None:
        """The provider told the caller of these in passing."""
        self._remember(caller, api, ids, NO_FACTS, briefly=False)

    def deleted(self, endpoint: Endpoint, asked: Request) -> str:
        """The object that a request deletes; empty if it deletes none."""
        return _owner(endpoint, asked) if endpoint.stored.forgets else ""

    def forgotten(self, caller: Caller, api: str, object_id: str) -> None:
        """It was deleted."""
        name = f"{api}:{object_id}"
        self._tasks.start(self._drop(caller.account.account_id, name), name="forget an object")

    def _remember(
        self, caller: Caller, api: str, ids: Sequence[str], facts: Facts, *, briefly: bool
    ) -> None:
        account_id = caller.account.account_id
        for each in ids:
            name = f"{api}:{each}"
            self._writing[account_id, name] = facts
            self._tasks.start(
                self._put(account_id, name, facts, briefly=briefly), name="remember an object"
            )

    async def _put(self, account_id: str, name: str, facts: Facts, *, briefly: bool) -> None:
        try:
            await self._written(account_id, name, facts, briefly=briefly)
        finally:
            self._writing.pop((account_id, name), None)

    async def _written(self, account_id: str, name: str, facts: Facts, *, briefly: bool) -> None:
        for attempt in range(WRITES_MAX):
            try:
                await self._store.put(account_id, name, facts, briefly=briefly)
            except StoreUnavailable as error:
                if attempt == WRITES_MAX - 1:
                    self._observation.not_remembered(error)
                await asyncio.sleep(WRITE_PAUSE_S * 2**attempt)
            else:
                return

    async def _drop(self, account_id: str, name: str) -> None:
        try:
            await self._store.drop(account_id, name)
        except StoreUnavailable:
            # Its record stays, of an object that is no more: nothing comes of it.
            return


def _owner(endpoint: Endpoint, asked: Request) -> str:
    segment = asked.segments[endpoint.stored.owner]
    return f"{endpoint.stored.collection}/{segment}" if endpoint.api == GEMINI else segment


async def _in_turns(work: Generator[None, None, Facts]) -> Facts:
    """Others have their turn whenever it yields."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            facts: Facts = done.value or NO_FACTS
            return facts
        await asyncio.sleep(0)
