"""The Anthropic message batches dialect (`POST /v1/messages/batches`).

| processing_status of the batch | its job is |
|---|---|
| in_progress, canceling | open |
| ended | done: of each request its result tells what it used, cancelled ones nothing |

A batch may ask several models; each has a hold of its own. Its object tells how many requests
succeeded, its results what each of them used (`anthropic_batches.py`). Source: Anthropic API
reference, "Message Batches", and the anthropic package 2.14.0 (read 2026-11-26).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.dialects.anthropic_batches import TIER, calls_of, read_result
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import Prepared, Request
from gateway.dialects.batch_lines import MODELS_MAX, Share, share_of
from gateway.dialects.begins_jobs import BeginsJobs
from gateway.dialects.jobs import NOT_SERVED, Results, text_of
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.pieces import TIER_JOIN

PHASES = {"in_progress": Phase.OPEN, "canceling": Phase.OPEN, "ended": Phase.DONE}
RESULTS = "results"


class AnthropicMessageBatches(BeginsJobs):
    """Implements `Dialect` and `Jobs`."""

    name = "anthropic_batches"
    # A day, and as long again to finish what was cut off at its end.
    lifetime_s = 48 * 3600
    links = ("results_url",)

    @property
    def results(self) -> Results:
        return MessageBatchResults()

    def named(self, request: Request) -> Sequence[str]:  # noqa: ARG002 (the protocol's)
        return ()

    def read_call(self, request: Request) -> Call:
        """Of the first model that is asked; the others are its `others`."""
        first, *others = (_call(model, asked) for model, asked in _asked(request.body).items())
        return replace(first, others=tuple(others))

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        many = call.many
        assert many is not None, "read_call gave it one"
        return many.input_tokens + many.opaque_inputs * context_tokens

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model != call.model:
            raise BadCall(
                f"Requests name {call.model!r}, which is another model's name here; a batch is "
                f"sent as it is. Name the model itself: {upstream_model!r}.",
                details={"param": "requests"},
            )
        return Prepared(request.body)

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        batch_id = text_of(document, "id")
        phase = PHASES.get(text_of(document, "processing_status"))
        if text_of(document, "type") != "message_batch" or not batch_id or phase is None:
            return None
        if phase is Phase.OPEN:
            return JobStatus(job_id=batch_id, phase=phase)
        if _succeeded(document) == 0:
            return JobStatus(job_id=batch_id, phase=phase, told=(NOT_SERVED,))
        return JobStatus(job_id=batch_id, phase=phase, results=(RESULTS,))

    def path(self, created: str, status: JobStatus) -> str:
        return f"{created}/{status.job_id}"


class MessageBatchResults:
    """Implements `Results`."""

    def path(self, asked: str, result: str) -> str:
        return f"{asked}/{result}"

    def job_of(self, path: str, segments: Mapping[str, str]) -> str:
        return segments["message_batch_id"] if path.endswith(f"/{RESULTS}") else ""

    def read(self, line: bytes) -> Told | None:
        result = read_result(line)
        if result is None:
            return None
        if not result.served:
            return NOT_SERVED
        if result.reported is None:
            return Told(usage=None, model=result.model)
        reported = result.reported
        return Told(usage=reported.usage, model=result.model, unmapped=reported.unmapped)


@dataclass(slots=True)
class _Asked:
    """What the requests for one model come to, and everything that their tiers consist of."""

    share: Share
    tiers: set[str]


def _asked(body: bytes) -> Mapping[str, _Asked]:
    """By model, in the order in which they are first asked."""
    dialect, found = AnthropicMessages(), dict[str, _Asked]()
    for call in calls_of(body):
        share, tiers = share_of(call, dialect), call.terms.service_tier.split(TIER_JOIN)
        before = found.get(call.model)
        if before is None:
            found[call.model] = _Asked(share, set(tiers))
        else:
            before.share += share
            before.tiers.update(tiers)
    if not 1 <= len(found) <= MODELS_MAX:
        raise BadCall(
            f"requests must ask from 1 to {MODELS_MAX} models; they ask {len(found)}.",
            details={"param": "requests"},
        )
    return found


def _call(model: str, asked: _Asked) -> Call:
    # One request may be served in a dearer tier than the next: the hold covers it for all.
    tier = TIER_JOIN.join([TIER, *sorted(asked.tiers - {TIER})])
    many = replace(asked.share.many, service_tier=tier)
    return Call(
        model=model,
        many=many,
        # The requests are not kept for an exact count: the bound stands.
        opaque_inputs=1,
        terms=Terms(media=many.media, pieces=asked.share.pieces, service_tier=tier),
        deferred=True,
    )


def _succeeded(batch: Mapping[str, object]) -> int | None:
    counts = batch.get("request_counts")
    succeeded = counts.get("succeeded") if isinstance(counts, dict) else None
    return succeeded if type(succeeded) is int else None
