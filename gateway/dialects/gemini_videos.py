"""Films (`:predictLongRunning`): Veo, sold by the second.

What a film costs is known when it is asked for: `parameters.sampleCount` films of
`durationSeconds` each, in pieces `video_second.<resolution>`, and `.silent` after that where
`generateAudio` is false (Vertex AI). They are made by a job. Its operation says how many were
delivered and how many a filter held back, which are not billed, but not how long they are: what is
owed is that share of what was asked for.

Sources (read 2026-11-26): Gemini API guide "Generate videos with Veo" and pricing; Vertex AI
reference, "Veo on Vertex AI video generation API"; google-genai package 3.6.1.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.dialects.base import Prepared, Request
from gateway.dialects.begins_jobs import BeginsJobs
from gateway.dialects.gemini_call import check_query, path_model
from gateway.dialects.gemini_fields import objects, whole_number
from gateway.dialects.gemini_operations import name_of, phase_of, polled_at
from gateway.dialects.gemini_path import with_model
from gateway.dialects.gemini_predict import parameters_of, samples
from gateway.dialects.jobs import Results
from gateway.dialects.json_body import SingleKeys, read_object
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told

PIECE = "video_second"
# What is made where nothing is said: the API's own defaults.
FILMS, SECONDS, RESOLUTION = 1, 8, "720p"
SECONDS_MAX = 3_600
SINGLE_KEYS = SingleKeys(
    ("instances", "parameters"),
    {"parameters": ("sampleCount", "durationSeconds", "resolution", "generateAudio")},
)
_RESOLUTION = re.compile(r"[0-9a-z]{1,8}")


class GeminiVideos(BeginsJobs):
    """Implements `Dialect` and `Jobs`."""

    name = "gemini_videos"
    # Films are ready within minutes, and kept for two days.
    lifetime_s = 6 * 3_600
    links: Sequence[str] = ()
    # The operation itself says all there is.
    results: Results | None = None

    def named(self, request: Request) -> Sequence[str]:  # noqa: ARG002 (the protocol's)
        return ()

    def read_call(self, request: Request) -> Call:
        check_query(request.query)
        document = read_object(request.body, SINGLE_KEYS)
        films = samples(document, default=FILMS) * max(1, len(objects(document.get("instances"))))
        most = ((_piece(parameters_of(document)), films * _seconds(document)),)
        return Call(
            model=path_model(request),
            max_output_tokens=0,
            owed=most,
            terms=Terms(pieces=most),
            counts_tokens=False,
            deferred=True,
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:  # noqa: ARG002 (the protocol's)
        return 0

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        renamed = upstream_model != call.model
        path = with_model(request.path, upstream_model) if renamed else None
        return Prepared(request.body, path=path)

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        name = name_of(document, of="operations")
        if not name:
            return None
        phase = phase_of(document)
        told = _delivered(document.get("response")) if phase is Phase.DONE else ()
        # Nothing is billed for films that were not made.
        phase = Phase.FAILED if phase is Phase.CANCELLED else phase
        return JobStatus(job_id=name, phase=phase, told=told)

    def path(self, created: str, status: JobStatus) -> str:
        return polled_at(created, status.job_id)


def _piece(parameters: Mapping[str, object]) -> str:
    given = parameters.get("resolution")
    resolution = RESOLUTION if given is None else given
    if not isinstance(resolution, str) or not _RESOLUTION.fullmatch(resolution.lower()):
        raise BadCall("resolution must be a word such as 720p.", details={"param": "resolution"})
    silent = ".silent" if parameters.get("generateAudio") is False else ""
    return f"{PIECE}.{resolution.lower()}{silent}"


def _seconds(document: Mapping[str, object]) -> int:
    given = parameters_of(document).get("durationSeconds")
    seconds = whole_number({"durationSeconds": given}, "durationSeconds")
    if seconds is None:
        return SECONDS
    if not 1 <= seconds <= SECONDS_MAX:
        raise BadCall(
            f"durationSeconds must be from 1 to {SECONDS_MAX}.",
            details={"param": "durationSeconds"},
        )
    return seconds


def _delivered(response: object) -> tuple[Told, ...]:
    """Nothing is told where it cannot be read: then all of it is owed."""
    made = response.get("generateVideoResponse", response) if isinstance(response, dict) else None
    if not isinstance(made, dict):
        return ()
    films = len(objects(made.get("generatedSamples"))) or len(objects(made.get("videos")))
    held_back = made.get("raiMediaFilteredCount")
    withheld = held_back if type(held_back) is int and held_back > 0 else 0
    return (Told(usage=None, delivered=(films, films + withheld)),) if films + withheld else ()
