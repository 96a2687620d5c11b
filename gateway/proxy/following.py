"""What becomes of jobs: read from whatever passes, or asked for; settled by whoever hears it first.

A report that passes on its way to a client is enough to settle a job; a client that never comes
back is no reason not to, so each is asked for as well (`workers/jobs.py`). Both may happen at once,
in several processes: the ledger ends a hold once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.dialects.jobs import Jobs, LineReader, Results, StatusReader
from gateway.errors import GatewayError, UpstreamFailed
from gateway.metering.accounts import Caller
from gateway.metering.job_ends import Sums
from gateway.metering.jobs import GRACE_MS, Job, JobStatus, Keep, Phase, Told, job_name
from gateway.metering.ledger import Settle
from gateway.metering.pricing import ModelPrice, RateCard
from gateway.proxy.asking import Asking, Question, Sink
from gateway.proxy.content import content_of
from gateway.proxy.heard import Heard
from gateway.proxy.observation import Observation
from gateway.proxy.seams import Answer
from gateway.stores.base import JobStore, Ledger
from gateway.tasks import TaskSet
from gateway.tokens.base import TokenCounter

OK = 200
GONE = frozenset({404, 410})
# A provider may take a while to know everywhere of a job that it has just begun.
UNKNOWN_MS = 600_000
# How long a stream of a job goes on after the job was cancelled.
LAST_WORDS_MS = 3_000


class Following:
    def __init__(
        self,
        dialects: Mapping[str, Jobs],
        *,
        ledger: Ledger,
        store: JobStore,
        asking: Asking,
        rate_card: RateCard,
        counter: TokenCounter,
        tasks: TaskSet,
        observation: Observation,
    ) -> None:
        self._dialects = dialects
        self._ledger = ledger
        self._store = store
        self._asking = asking
        self._rate_card = rate_card
        self._counter = counter
        self._tasks = tasks
        self._observation = observation

    def passed(self, caller: Caller, api: str, statuses: Iterable[JobStatus]) -> None:
        """An answer that passed to this caller told of these jobs."""
        over = [status for status in statuses if status.over]
        if over:
            account_id = caller.account.account_id
            self._tasks.start(self._passed(account_id, api, over), name="settle reported jobs")

    async def _passed(self, account_id: str, api: str, statuses: Sequence[JobStatus]) -> None:
        try:
            for status in statuses:
                shares = await self._store.find(account_id, job_name(api, status.job_id))
                if not shares:
                    continue
                sums = self._sums(shares, status)
                if sums is None:
                    # Results are read by whoever asks for jobs: now.
                    await self._store.postpone(shares[0], poll_ms=0)
                elif status.phase is Phase.CANCELLED and not status.told:
                    # Whoever listens to it hears its end first.
                    await self._store.postpone(shares[0], poll_ms=LAST_WORDS_MS)
                else:
                    await self._end(sums, status.phase)
        except GatewayError as error:
            # The job stays open, and is asked for later.
            self._observation.job_not_asked(error)

    async def results_of(self, caller: Caller, api: str, job_id: str) -> "ResultsHeard | None":
        """For results that are about to pass to this caller; None if nobody waits for them."""
        try:
            shares = await self._store.find(caller.account.account_id, job_name(api, job_id))
        except GatewayError:
            return None
        jobs = self._dialects.get(shares[0].owed.event.dialect) if shares else None
        if jobs is None or jobs.results is None:
            return None
        return ResultsHeard(Sums(shares, self._price), jobs.results)

    def results_passed(self, results: "ResultsHeard") -> None:
        """All of them have."""
        results.close()
        self._tasks.start(self._results_passed(results.sums), name="settle a job by its results")

    async def _results_passed(self, sums: Sums) -> None:
        try:
            await self._end(sums, Phase.DONE)
        except GatewayError as error:
            self._observation.job_not_asked(error)

    def heard(self, caller: Caller, api: str, job_id: str, heard: Heard) -> None:
        """A client of this caller listened to a job, to its end or not."""
        name = job_name(api, job_id)
        self._tasks.start(
            self._heard(caller.account.account_id, name, heard), name="count what was heard"
        )

    async def _heard(self, account_id: str, name: str, heard: Heard) -> None:
        """Stored by keeping the hold once more, which does nothing when it was settled meanwhile:
        then the job has told what it used."""
        try:
            for job in await self._store.find(account_id, name):
                output = await heard.output(self._counter, model=job.model)
                if output.output_tokens <= job.floor.output_tokens:
                    return
                left_ms = max(0, job.deadline_ms - self._ledger.now_ms())
                louder = replace(job, floor=job.floor.input_part + output)
                await self._ledger.keep(
                    Keep(job=louder, lease_ms=left_ms + GRACE_MS, poll_ms=LAST_WORDS_MS)
                )
                return
        except GatewayError as error:
            self._observation.job_not_asked(error)

    async def look(self, shares: Sequence[Job]) -> None:
        """Ask the provider for a job, and settle it if it is over.

        Raises GatewayError when the provider or the ledger does not answer as it should: to be
        tried again. Past its deadline a job is over whatever the provider says.
        """
        first = shares[0]
        late = self._ledger.now_ms() >= first.deadline_ms
        try:
            over = await self._ask_and_settle(shares)
        except UpstreamFailed:
            if not late:
                raise
            over = False
        if late and not over:
            await self._end(Sums(shares, self._price), Phase.UNREPORTED)

    async def _ask_and_settle(self, shares: Sequence[Job]) -> bool:
        first = shares[0]
        jobs = self._dialects.get(first.owed.event.dialect)
        if jobs is None:
            raise UpstreamFailed(f"No dialect {first.owed.event.dialect!r} any more.")
        status = await self._ask(first, jobs)
        if not status.over:
            return False
        sums = self._sums(shares, status) or await self._read_results(shares, status, jobs)
        await self._end(sums, status.phase)
        return True

    async def _ask(self, job: Job, jobs: Jobs) -> JobStatus:
        reader: StatusReader | None = None
        http_status = 0

        def begin(answer: Answer) -> Sink | None:
            nonlocal reader, http_status
            http_status = answer.status
            if http_status != OK:
                return None
            reader = StatusReader(jobs, content_type=content_of(answer.headers)[0])
            return reader.feed

        await self._asking.get(_question(job, job.path), provider=job.provider, begin=begin)
        age_ms = self._ledger.now_ms() - job.owed.event.started_ms
        if http_status in GONE and age_ms >= UNKNOWN_MS:
            return JobStatus(job_id="", phase=Phase.UNREPORTED)
        if reader is None:
            raise UpstreamFailed(f"A provider answered {http_status} when it was asked for a job.")
        reader.close()
        for status in reader.statuses.values():
            if job_name(job.api, status.job_id) == job.name:
                return status
        raise UpstreamFailed("A provider's answer told nothing of the job it was asked for.")

    def _sums(self, shares: Sequence[Job], status: JobStatus) -> Sums | None:
        """What the job's own object tells of its use; None if its results have to."""
        sums = Sums(shares, self._price)
        if status.results and not (status.told and sums.of_sums):
            return None
        for told in status.told:
            sums.add(told)
        return sums

    async def _read_results(self, shares: Sequence[Job], status: JobStatus, jobs: Jobs) -> Sums:
        """Line by line, as they come: never all of them at once."""
        results = jobs.results
        assert results is not None, "it named some"
        sums, first = Sums(shares, self._price), shares[0]
        path, question, query = first.path.partition("?")
        for result in status.results:
            heard = ResultsHeard(sums, results)

            def begin(answer: Answer, heard: ResultsHeard = heard) -> Sink | None:
                if answer.status != OK:
                    raise UpstreamFailed(f"A provider answered {answer.status} for results.")
                return heard.feed

            target = results.path(path, result) + question + query
            await self._asking.get(_question(first, target), provider=first.provider, begin=begin)
            heard.close()
        return sums

    async def _end(self, sums: Sums, phase: Phase) -> None:
        for job, ask in sums.ends(phase, now_ms=self._ledger.now_ms()):
            if isinstance(ask, Settle):
                outcome = await self._ledger.settle(ask)
                price = self._price(job)
                unpriced = () if price is None else price.unpriced(ask.event.usage)
                self._observation.job_ended(job, ask, outcome, unpriced=unpriced)
            else:
                self._observation.job_ended(job, ask, await self._ledger.release(ask))

    def _price(self, job: Job) -> ModelPrice | None:
        return self._rate_card.price(job.priced_as, provider=job.provider)


class ResultsHeard:
    """Adds up a job's results as they come: never are all of them kept."""

    def __init__(self, sums: Sums, results: Results) -> None:
        self.sums = sums
        self._results = results
        self._lines = LineReader(self._add)
        self.feed, self.close = self._lines.feed, self._lines.close

    def _add(self, line: bytes) -> None:
        # What cannot be read may have been served.
        self.sums.add(self._results.read(line) or Told(usage=None))


def _question(job: Job, target: str) -> Question:
    return Question(target=target, headers=job.headers, request_id=job.hold_id)
