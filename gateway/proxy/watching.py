"""Who looks at a copy of an answer that nobody is charged for, and what comes of it."""

from collections.abc import Callable, Mapping

from gateway.dialects.base import Dialect, Request
from gateway.dialects.endpoint import Endpoint
from gateway.dialects.jobs import EVENT_STREAM, Jobs, StatusReader
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.proxy.begun import decoded_copy
from gateway.proxy.following import Following, ResultsHeard
from gateway.proxy.heard import Heard
from gateway.proxy.stored import Creation, StoredObjects


class Watch:
    """One answer. `began` with its head, `ended` with its end; in between `copy` gets its body."""

    def __init__(
        self,
        caller: Caller,
        api: str,
        *,
        jobs: Jobs | None,
        dialect: Dialect | None,
        creation: Creation | None,
        results: ResultsHeard | None,
        deleted: str = "",
    ) -> None:
        """`deleted`: the stored object that is no more if the answer is no refusal."""
        self._caller = caller
        self._api = api
        self._jobs = jobs
        self._dialect = dialect
        self._creation = creation
        self._results = results
        self._deleted = deleted
        self._statuses: StatusReader | None = None
        self._heard: Heard | None = None
        self.copy: Callable[[bytes], None] | None = None

    def began(self, *, content_type: str, encoding: str) -> None:
        if self._jobs is not None:
            self._statuses = StatusReader(self._jobs, content_type=content_type)
            if self._dialect is not None and content_type == EVENT_STREAM:
                call = Call(model="", stream=True)
                reader = self._dialect.answer_reader(call, content_type=content_type)
                self._heard = Heard(reader)
        if self._creation is not None:
            # It gets what is decoded already.
            self._creation.reading(content_type=content_type, encoding="")
        if self._jobs is not None or self._creation is not None:
            self.copy = decoded_copy(self._feed, encoding=encoding)

    def _feed(self, data: bytes) -> None:
        for reader in (self._creation, self._statuses, self._heard, self._results):
            if reader is not None:
                reader.feed(data)

    def ended(self, following: Following, stored: StoredObjects, *, complete: bool) -> None:
        """`complete`: the client has all of it, and it was no refusal."""
        if self._statuses is not None:
            self._statuses.close()
            told = self._statuses.statuses
            if self._heard is not None and len(told) == 1:
                following.heard(self._caller, self._api, next(iter(told)), self._heard)
            if complete:
                following.passed(self._caller, self._api, told.values())
        if self._results is not None and complete:
            following.results_passed(self._results)
        if self._creation is not None and complete:
            stored.created(self._caller, self._creation)
        if self._deleted and complete:
            stored.forgotten(self._caller, self._api, self._deleted)


class Watches:
    """Makes them."""

    def __init__(
        self,
        following: Following,
        stored: StoredObjects,
        *,
        jobs: Mapping[str, Jobs],
        dialects: Mapping[str, Dialect],
    ) -> None:
        """`jobs` and `dialects` by name."""
        self._following = following
        self._stored = stored
        self._jobs = jobs
        self._dialects = dialects

    async def of(self, asked: Request, endpoint: Endpoint, caller: Caller) -> Watch:
        """Before the request is forwarded."""
        jobs = self._jobs.get(endpoint.dialect)
        results = None
        if jobs is not None and jobs.results is not None:
            job_id = jobs.results.job_of(asked.path, asked.segments)
            if job_id:
                results = await self._following.results_of(caller, endpoint.api, job_id)
        return Watch(
            caller,
            endpoint.api,
            jobs=jobs,
            dialect=self._dialects.get(endpoint.dialect),
            creation=await self._stored.creating(endpoint, asked, caller),
            results=results,
            deleted=self._stored.deleted(endpoint, asked),
        )

    def ended(self, watch: Watch, *, complete: bool) -> None:
        watch.ended(self._following, self._stored, complete=complete)
