"""Responses that run in the background (`POST /v1/responses` with `background: true`) as jobs.

| status of the response | its job is |
|---|---|
| queued, in_progress | open |
| completed, incomplete | done |
| failed | failed |
| cancelled | cancelled: OpenAI tells no usage, and bills what it had made by then |

What a response used is read as that of any other (`openai_responses_usage.py`). Source: OpenAI API
reference, responses, and the guide "Background mode" (read 2026-11-26).
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import Request
from gateway.dialects.jobs import Results, text_of, told
from gateway.dialects.openai_responses_usage import read_response
from gateway.metering.jobs import JobStatus, Phase

PHASES = {
    "queued": Phase.OPEN,
    "in_progress": Phase.OPEN,
    "completed": Phase.DONE,
    "incomplete": Phase.DONE,
    "failed": Phase.FAILED,
    "cancelled": Phase.CANCELLED,
}


class BackgroundResponses:
    """Implements `Jobs`."""

    # The longest of them, research with tools, take an hour or two.
    lifetime_s = 24 * 3600
    links = ()
    results: Results | None = None

    def named(self, request: Request) -> Sequence[str]:  # noqa: ARG002 (the protocol's)
        return ()

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        # An event carries the response as a member.
        carried = document.get("response")
        response = carried if isinstance(carried, dict) else document
        response_id, phase = text_of(response, "id"), PHASES.get(text_of(response, "status"))
        if text_of(response, "object") != "response" or not response_id or phase is None:
            return None
        reported = None
        if phase is not Phase.OPEN:
            reported = read_response(response, request=response)
        said = () if reported is None else (told(reported),)
        return JobStatus(job_id=response_id, phase=phase, told=said)

    def path(self, created: str, status: JobStatus) -> str:
        return f"{created}/{status.job_id}"
