"""A path that no table knows, forwarded for a fee: nothing is read of the request or its answer.

Only the configuration (`unknown_endpoints: forward_flat`) leads here, which is why it is no row of
`DIALECTS`; the settings put its line on the rate card.
"""

from gateway.dialects.base import Request
from gateway.dialects.flat_fee import FlatFee

UNKNOWN_ENDPOINT = "unknown_endpoint"
REQUEST = "request"


def _request(request: Request) -> str:  # noqa: ARG001 (any costs the same)
    return REQUEST


UNKNOWN = FlatFee(UNKNOWN_ENDPOINT, model=UNKNOWN_ENDPOINT, piece=_request)
