"""Google's long-running operations: where a job of the Gemini API or of Vertex AI stands.

`{"name", "done", "error"}` or `{"name", "done", "response"}`, with `metadata` beside. Source:
google/longrunning/operations.proto, google/rpc/code.proto (read 2026-11-26).
"""

from collections.abc import Mapping

from gateway.dialects.gemini_fields import text
from gateway.metering.jobs import Phase

_CANCELLED = 1


def phase_of(operation: Mapping[str, object]) -> Phase:
    if operation.get("done") is not True:
        return Phase.OPEN
    error = operation.get("error")
    if isinstance(error, dict):
        return Phase.CANCELLED if error.get("code") == _CANCELLED else Phase.FAILED
    return Phase.DONE


def polled_at(created: str, name: str) -> str:
    """Where an operation is asked for that was begun at the path `created`: below the same version
    of the API."""
    version = created.split("/", 2)[1]
    return f"/{version}/{name}"


def name_of(operation: Mapping[str, object], *, of: str) -> str:
    """Its name if it is of that collection (`operations`, `batches`), else empty."""
    name = text(operation, "name")
    return name if of in name.split("/")[:-1] else ""
