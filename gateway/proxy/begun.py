"""A call whose answer may be the beginning only: what it says of the job, and how the job is kept.

Between the provider's answer and the ledger's stands a process that may die: so the whole hold is
booked as owed before the call is forwarded, and until more is known.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.dialects.jobs import Jobs, StatusReader
from gateway.metering.jobs import GRACE_MS, Job, JobStatus, Keep, Phase, job_name, pause_ms
from gateway.metering.ledger import Settle
from gateway.metering.usage import NOTHING, Usage
from gateway.proxy.decoding import decoder
from gateway.proxy.meter import Meter
from gateway.proxy.seams import RawHeaders
from gateway.proxy.ticket import Ticket

# What a provider wants to be told with each request, not only with the one that began a job.
KEPT_HEADERS = frozenset({b"anthropic-beta", b"anthropic-version", b"openai-beta"})


class Begun:
    """What one answer tells of jobs, while its bytes are copied here."""

    def __init__(
        self, jobs: Jobs, *, target: str, headers: RawHeaders, poll_longest_ms: int
    ) -> None:
        """`target`: as the provider is asked for it; `headers`: as the caller sent them."""
        self._jobs = jobs
        self._poll_longest_ms = poll_longest_ms
        self._target = target
        self._headers = headers
        self._reader: StatusReader | None = None
        self._meter: Meter | None = None

    def reading(self, meter: Meter, *, content_type: str, encoding: str) -> Callable[[bytes], None]:
        """Where a copy of the answer's body goes; `meter` counts the same answer."""
        self._meter = meter
        self._reader = StatusReader(self._jobs, content_type=content_type)
        return decoded_copy(self._reader.feed, encoding=encoding)

    def status(self) -> JobStatus | None:
        """The job that the answer told of; None if it told of none, or of several."""
        if self._reader is None:
            return None
        self._reader.close()
        statuses = list(self._reader.statuses.values())
        return statuses[0] if len(statuses) == 1 else None

    async def seen(self) -> Usage:
        """The prompt as far as it is text, and what was relayed of an answer."""
        if self._meter is None or self._meter.ticket.call.many is not None:
            return NOTHING
        return await self._meter.seen()

    def keep(
        self,
        ticket: Ticket,
        status: JobStatus,
        owed: Settle,
        *,
        floor: Usage,
        now_ms: int,
    ) -> Keep:
        path, question, query = self._target.partition("?")
        many = ticket.call.many
        name = job_name(ticket.api.name, status.job_id)
        lifetime_ms = self._jobs.lifetime_s * 1000
        job = Job(
            name=name,
            owed=replace(owed, job=name),
            priced_as=ticket.price.model,
            path=self._jobs.path(path, status) + question + query,
            deadline_ms=now_ms + lifetime_ms,
            headers=kept_headers(self._headers),
            longest_input_tokens=0 if many is None else many.longest(ticket.price.context_tokens),
            floor=floor,
        )
        poll_ms = pause_ms(0, longest_ms=self._poll_longest_ms)
        return Keep(job=job, lease_ms=lifetime_ms + GRACE_MS, poll_ms=poll_ms)


def failed(status: JobStatus) -> bool:
    """It is over, and the provider bills nothing for it."""
    return status.phase is Phase.FAILED and not status.told and not status.results


def decoded_copy(feed: Callable[[bytes], None], *, encoding: str) -> Callable[[bytes], None]:
    """Feeds the pieces with their Content-Encoding undone; nothing more once that failed."""
    decode = decoder(encoding)
    if decode is None:
        return feed
    readable = True

    def copy(data: bytes) -> None:
        nonlocal readable
        if readable:
            try:
                feed(decode(data))
            except ValueError:
                readable = False

    return copy


def copies(*feeds: Callable[[bytes], None] | None) -> Callable[[bytes], None] | None:
    """One for all of them that are there; None if none is."""
    given = [feed for feed in feeds if feed is not None]
    if len(given) <= 1:
        return given[0] if given else None

    def copy(data: bytes) -> None:
        for feed in given:
            feed(data)

    return copy


def kept_headers(headers: RawHeaders) -> tuple[tuple[str, str], ...]:
    kept: Sequence[tuple[bytes, bytes]] = [
        field for field in headers if field[0].lower() in KEPT_HEADERS
    ]
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in kept)
