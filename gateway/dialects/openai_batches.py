"""The OpenAI batches dialect (`POST /v1/batches`): a file of requests, served within a day.

What a batch holds was worked out when its file was uploaded (`batch_lines.py`); what it used is
told by the batch itself, once it is over, or by its results.

| status of the batch | its job is |
|---|---|
| validating, in_progress, finalizing, cancelling | open |
| completed | done |
| cancelled | cancelled: what was served before is billed |
| failed, expired | failed: the former served nothing; of the latter, what was served is billed |

Source: OpenAI API reference, batches, and the openai package 3.57.0 (read 2026-11-26). "Each input
file can only include requests to a single model" (guide "Batch API").
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import Format, Prepared, Request
from gateway.dialects.batch_lines import share_of_facts
from gateway.dialects.begins_jobs import BeginsJobs
from gateway.dialects.jobs import Results, text_of, told
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.openai_batches_usage import TIER, read_result, read_usage
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

SINGLE_KEYS = SingleKeys(("input_file_id", "endpoint", "completion_window"))
PHASES = {
    "validating": Phase.OPEN,
    "in_progress": Phase.OPEN,
    "finalizing": Phase.OPEN,
    "cancelling": Phase.OPEN,
    "completed": Phase.DONE,
    "cancelled": Phase.CANCELLED,
    "failed": Phase.FAILED,
    "expired": Phase.FAILED,
}
# The requests of a batch that can be metered, and which format they have.
URLS = {
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/v1/completions": "openai_completions",
    "/v1/embeddings": "openai_embeddings",
    "/v1/moderations": "openai_moderations",
}


def formats_by_url(dialects: Mapping[str, Format]) -> dict[str, Format]:
    return {url: dialects[name] for url, name in URLS.items() if name in dialects}


class OpenAIBatches(BeginsJobs):
    """Implements `Dialect` and `Jobs`."""

    name = "openai_batches"
    # A day, and as long again to finish what was cut off at its end.
    lifetime_s = 48 * 3600
    links = ()

    @property
    def results(self) -> Results:
        return BatchResults()

    def named(self, request: Request) -> Sequence[str]:
        file_id = read_object(request.body, SINGLE_KEYS).get("input_file_id")
        return (file_id,) if isinstance(file_id, str) else ()

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        file_id = document.get("input_file_id")
        if not isinstance(file_id, str):
            raise wrong("input_file_id", "a string", file_id)
        model, facts = _only_model(request.known.get(file_id), endpoint=document.get("endpoint"))
        share = share_of_facts(facts, service_tier=TIER)
        return Call(
            model=model,
            many=share.many,
            # What is in the file cannot be counted any more: the bound stands.
            opaque_inputs=1,
            terms=Terms(media=share.many.media, pieces=share.pieces, service_tier=TIER),
            deferred=True,
            document=document,
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        many = call.many
        assert many is not None, "read_call gave it one"
        return many.input_tokens + many.opaque_inputs * context_tokens

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model != call.model:
            raise BadCall(
                f"The file's requests name {call.model!r}, which is another model's name here; a "
                f"batch is sent as it is. Name the model itself in the file: {upstream_model!r}.",
                details={"param": "input_file_id"},
            )
        return Prepared(request.body)

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        batch_id, phase = text_of(document, "id"), PHASES.get(text_of(document, "status"))
        if text_of(document, "object") != "batch" or not batch_id or phase is None:
            return None
        results = text_of(document, "output_file_id")
        return JobStatus(
            job_id=batch_id,
            phase=phase,
            told=() if phase is Phase.OPEN else _told(document, anything_served=bool(results)),
            results=(results,) if results else (),
        )

    def path(self, created: str, status: JobStatus) -> str:
        return f"{created}/{status.job_id}"


class BatchResults:
    """Implements `Results`: the output file of a batch."""

    def job_of(self, path: str, segments: Mapping[str, str]) -> str:  # noqa: ARG002 (the protocol's)
        """A file's path does not tell."""
        return ""

    def path(self, asked: str, result: str) -> str:
        api = asked[: asked.rindex("/batches/")]
        return f"{api}/files/{result}/content"

    def read(self, line: bytes) -> Told | None:
        return read_result(line)


def _only_model(
    facts: Mapping[str, object] | None, *, endpoint: object
) -> tuple[str, Mapping[str, object]]:
    """The model of an input file, and what its requests come to."""
    models = facts.get("models") if facts is not None else None
    if facts is None or not isinstance(models, dict):
        raise _refused(
            "it is not known what the file holds, so the batch cannot be sized. Upload it through "
            "this gateway in one piece (POST /v1/files with purpose batch), by the same account."
        )
    if problem := text_of(facts, "problem"):
        raise _refused(f"the file cannot be metered: {problem}")
    if len(models) != 1:
        raise _refused(
            f"the file's requests must all name one model; they name {len(models)}. Make a batch "
            "for each model."
        )
    if facts.get("urls") != [endpoint]:
        raise _refused("every line's url must be the endpoint that is given here.")
    return next(iter(models.items()))


def _told(batch: Mapping[str, object], *, anything_served: bool) -> tuple[Told, ...]:
    counts = batch.get("request_counts")
    served = counts.get("completed") if isinstance(counts, dict) else None
    calls = served if type(served) is int and served >= 0 else 0
    reported = read_usage(batch.get("usage"))
    if reported is not None:
        return (told(reported, calls=calls),)
    if served == 0 and not anything_served:
        return (Told(usage=Usage(service_tier=TIER), calls=0),)
    return ()


def _refused(why: str) -> BadCall:
    return BadCall(f"input_file_id: {why}", details={"param": "input_file_id"})
