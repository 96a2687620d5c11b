"""A path that no table knows, forwarded for a fee: nothing is read of the request or its answer.

Only the configuration (`unknown_endpoints: forward_flat`) leads here. What such a call is charged
is the line of this name that the settings put on the rate card; it has a fee and nothing else.
"""

from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.passing import Passing
from gateway.dialects.silent import Silent
from gateway.metering.call import Call

UNKNOWN_ENDPOINT = "unknown_endpoint"


class UnknownEndpoint:
    """Implements `Dialect`."""

    name = UNKNOWN_ENDPOINT

    def read_call(self, request: Request) -> Call:  # noqa: ARG002 (the protocol's)
        return Call(model=UNKNOWN_ENDPOINT, unrouted=True, max_output_tokens=0)

    def prompt_parts(self, call: Call) -> PromptParts:  # noqa: ARG002 (the protocol's)
        return PromptParts(texts=())

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:  # noqa: ARG002 (the protocol's)
        return 0

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:  # noqa: ARG002 (the protocol's)
        return Prepared(request.body)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return Silent()

    def usage_filter(self) -> BodyFilter:
        return Passing()
