"""The OpenAI fine-tuning dialect (`POST /v1/fine_tuning/jobs`): billed by the token trained on.

| field of the job | our piece | |
|---|---|---|
| trained_tokens | trained_token | "billable tokens processed"; null while the job runs |

| status of the job | its job is |
|---|---|
| validating_files, queued, running, paused | open |
| succeeded | done |
| cancelled | cancelled: what was trained before is billed |
| failed | failed |

What it may use is its training file as often as it is read: a token is at least a byte of it. Left
to itself, OpenAI reads short files more often (the cookbook's "Data preparation and analysis for
chat model fine-tuning"). Reinforcement is billed by the hour, and by what its graders use.
Source: OpenAI API reference, fine-tuning, and the openai package 3.57.0 (read 2026-11-26).
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import Prepared, Request
from gateway.dialects.begins_jobs import BeginsJobs
from gateway.dialects.jobs import Results, text_of
from gateway.dialects.json_body import SingleKeys, model_name, read_object, with_model, wrong
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

PIECE = "trained_token"
SINGLE_KEYS = SingleKeys(("model", "training_file", "hyperparameters", "method"))
PHASES = {
    "validating_files": Phase.OPEN,
    "queued": Phase.OPEN,
    "running": Phase.OPEN,
    "paused": Phase.OPEN,
    "succeeded": Phase.DONE,
    "cancelled": Phase.CANCELLED,
    "failed": Phase.FAILED,
}
METHODS = ("supervised", "dpo")
# How often OpenAI reads a file when it is not told, by how many examples are in it.
EPOCHS, EPOCHS_MAX, EXAMPLES_MIN, EXAMPLES_MAX = 3, 25, 100, 25_000
# More than anybody pays for.
EPOCHS_ASKED_MAX = 50
TOKENS_MAX = 10**12


class OpenAIFineTuning(BeginsJobs):
    """Implements `Dialect` and `Jobs`."""

    name = "openai_fine_tuning"
    # Queues are long when machines are short.
    lifetime_s = 7 * 24 * 3600
    links = ()
    results: Results | None = None

    def named(self, request: Request) -> Sequence[str]:
        file_id = read_object(request.body, SINGLE_KEYS).get("training_file")
        return (file_id,) if isinstance(file_id, str) else ()

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        file_id = document.get("training_file")
        if not isinstance(file_id, str):
            raise wrong("training_file", "a string", file_id)
        size_bytes, examples = _size(request.known.get(file_id))
        tokens = size_bytes * _epochs(document, examples)
        return Call(
            model=model_name(document),
            max_output_tokens=0,
            terms=Terms(pieces=((PIECE, tokens),)),
            deferred=True,
            counts_tokens=False,
            document=document,
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:  # noqa: ARG002 (the protocol's)
        return 0

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        body = request.body
        return Prepared(body if upstream_model == call.model else with_model(body, upstream_model))

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        job_id, phase = text_of(document, "id"), PHASES.get(text_of(document, "status"))
        if text_of(document, "object") != "fine_tuning.job" or not job_id or phase is None:
            return None
        return JobStatus(
            job_id=job_id, phase=phase, told=() if phase is Phase.OPEN else _told(document)
        )

    def path(self, created: str, status: JobStatus) -> str:
        return f"{created}/{status.job_id}"


def _size(facts: Mapping[str, object] | None) -> tuple[int, int]:
    """Bytes and examples of a training file."""
    size_bytes = None if facts is None else facts.get("bytes")
    examples = None if facts is None else facts.get("lines")
    if not isinstance(size_bytes, int) or not isinstance(examples, int):
        raise BadCall(
            "training_file: it is not known how long the file is, so the training cannot be sized. "
            "Upload it through this gateway in one piece (POST /v1/files with purpose fine-tune), "
            "by the same account.",
            details={"param": "training_file"},
        )
    return size_bytes, examples


def _epochs(document: Mapping[str, object], examples: int) -> int:
    """How often the file is read; the more where it is said in two places."""
    method = document.get("method")
    by_method = None
    if method is not None:
        if not isinstance(method, dict):
            raise wrong("method", "an object", method)
        kind = method.get("type")
        if kind not in METHODS:
            raise BadCall(
                f"method.type must be one of {', '.join(METHODS)}: nothing else can be metered.",
                details={"param": "method"},
            )
        by_method = method.get(kind)
    inner = by_method.get("hyperparameters") if isinstance(by_method, dict) else None
    return max(_asked(document.get("hyperparameters"), examples), _asked(inner, examples))


def _asked(hyperparameters: object, examples: int) -> int:
    asked = hyperparameters.get("n_epochs") if isinstance(hyperparameters, dict) else None
    if asked is None or asked == "auto":
        return _unasked(examples)
    # By type, not isinstance: true is no number here.
    if type(asked) is not int or not 1 <= asked <= EPOCHS_ASKED_MAX:
        raise BadCall(
            f"n_epochs must be `auto` or a whole number from 1 to {EPOCHS_ASKED_MAX}.",
            details={"param": "hyperparameters"},
        )
    return asked


def _unasked(examples: int) -> int:
    if examples * EPOCHS < EXAMPLES_MIN:
        return min(EPOCHS_MAX, EXAMPLES_MIN // max(1, examples))
    if examples * EPOCHS > EXAMPLES_MAX:
        return max(1, EXAMPLES_MAX // examples)
    return EPOCHS


def _told(job: Mapping[str, object]) -> tuple[Told, ...]:
    tokens = job.get("trained_tokens")
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 <= tokens <= TOKENS_MAX:
        return ()
    return (Told(usage=Usage(pieces=((PIECE, tokens),) if tokens else ())),)
