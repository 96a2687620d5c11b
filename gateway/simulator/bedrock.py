"""Amazon Bedrock's runtime: Anthropic's messages as `anthropic` decides them, in AWS's frames.

A request is let in with a Bedrock API key (any bearer token) or signed by `IDENTITY`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.dialects.aws_signing import AwsIdentity
from gateway.dialects.bedrock_events import chunk
from gateway.dialects.bedrock_messages import EVENT_STREAM
from gateway.simulator.anthropic import decide, send
from gateway.simulator.anthropic_wire import Answer, events, message
from gateway.simulator.aws import check_signature
from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.vendor import Vendor, bearer
from gateway.simulator.wire import Chunk

IDENTITY = AwsIdentity(
    access_key_id="AKIASIMULATEDCALLER0",
    secret_access_key="the-simulated-callers-secret-key",  # noqa: S106 (known to everybody)
    region="us-east-1",
)
ERROR_TYPES = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
COUNTS = {
    "input_tokens": "inputTokenCount",
    "output_tokens": "outputTokenCount",
    "cache_read_input_tokens": "cacheReadInputTokenCount",
    "cache_creation_input_tokens": "cacheWriteInputTokenCount",
}
LATENCIES = {"invocationLatency": 40, "firstByteLatency": 20}


async def _invoke(exchange: Exchange) -> web.StreamResponse:
    answer = _answer(exchange)
    exchange.entry.stream = False
    return await send(answer, replace(exchange, vendor=_counting(answer)))


async def _invoke_with_response_stream(exchange: Exchange) -> web.StreamResponse:
    answer = _answer(exchange)
    exchange.entry.stream = True
    return await send(answer, exchange, events=_frames, content_type=EVENT_STREAM)


def _answer(exchange: Exchange) -> Answer:
    """Raises RefusedRequest for whom AWS would not let in, and for what it would not take."""
    _let_in(exchange)
    document = exchange.document()
    for name in ("model", "stream"):
        if name in document:
            raise _invalid(f"#: extraneous key [{name}] is not permitted")
    # Older SDKs say `bedrock-2023-05-31`, newer ones the version of Anthropic's own API.
    if not isinstance(document.get("anthropic_version"), str):
        raise _invalid("anthropic_version: Field required")
    exchange.entry.model = exchange.request.match_info["model"]
    return decide(document | {"model": exchange.entry.model}, exchange)


def _let_in(exchange: Exchange) -> None:
    request = exchange.request
    if not bearer(request.headers):
        check_signature(
            IDENTITY,
            method=request.method,
            target=request.raw_path,
            headers=request.raw_headers,
            body=exchange.entry.body,
            now_s=datetime.now(UTC).timestamp(),
        )


def _invalid(text: str) -> RefusedRequest:
    return RefusedRequest(text, kind="ValidationException")


def _frames(answer: Answer) -> Iterator[Chunk]:
    """The same events, each in a frame; no pings, and Bedrock's own counts in the last."""
    counts: dict[str, object] = {}
    for each in events(answer):
        document = orjson.loads(each.data.partition(b"data: ")[2])
        told = document.get("message", document).get("usage") or {}
        counts |= {COUNTS[name]: tokens for name, tokens in told.items() if name in COUNTS}
        if document["type"] == "message_stop" and counts:
            document["amazon-bedrock-invocationMetrics"] = counts | LATENCIES
        if document["type"] != "ping":
            yield replace(each, data=chunk(document))


def _counting(answer: Answer) -> Vendor:
    """Bedrock with the counts of a whole answer in its headers."""
    usage = message(answer).get("usage")
    told = usage if isinstance(usage, dict) else {}
    counts = {
        f"x-amzn-bedrock-{name}-token-count": str(told.get(f"{name}_tokens", 0))
        for name in ("input", "output")
    }
    return replace(BEDROCK, headers=lambda entry: _headers(entry) | counts)


def _headers(entry: Entry) -> dict[str, str]:
    return {"x-amzn-requestid": entry.request_id, "x-amzn-bedrock-invocation-latency": "40"}


def _error_headers(refused: RefusedRequest) -> dict[str, str]:
    kind = refused.kind
    if not kind.endswith("Exception"):
        kind = ERROR_TYPES.get(refused.status, "ValidationException")
    return {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


BEDROCK = Vendor(
    # Signed or not is decided where the whole request can be seen.
    credential=lambda headers: bearer(headers) or "a signature",
    no_credential="Missing Authentication Token",
    wrong_credential="Authentication failed: Please make sure your API Key is valid.",
    headers=_headers,
    error=lambda refused, _entry: {"message": str(refused)},
    error_headers=_error_headers,
)
ROUTES = (
    Route("POST", "/model/{model}/invoke", _invoke, BEDROCK),
    Route(
        "POST",
        "/model/{model}/invoke-with-response-stream",
        _invoke_with_response_stream,
        BEDROCK,
    ),
)
