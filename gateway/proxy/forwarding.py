"""What a request becomes on its way to a provider, and how an answer begins on its way back."""

from urllib.parse import unquote_plus

from gateway.dialects.limit_headers import NOTHING_TOLD, Told
from gateway.proxy.decoding import all_readable
from gateway.proxy.framing import field_lines
from gateway.proxy.headers import added_headers, crossing
from gateway.proxy.notes import Crossing
from gateway.proxy.providers import Provider
from gateway.proxy.response_head import response_head
from gateway.proxy.seams import Answer, Exchange, Incoming

# A virtual key, and Google's access tokens.
_KEY_PARAMETERS = frozenset({"key", "access_token", "oauth_token"})


def target_of(request: Incoming, *, path: str | None = None) -> str:
    """Path and query for the provider; whatever presents a key in the query stays here."""
    path = request.path if path is None else path
    if not request.query_string:
        return path
    # Decoded, because that is how a key is found there: `k%65y=` is one as well.
    kept = "&".join(
        part
        for part in request.query_string.split("&")
        if unquote_plus(part.partition("=")[0]) not in _KEY_PARAMETERS
    )
    return f"{path}?{kept}" if kept else path


async def outgoing(
    exchange: Exchange, provider: Provider, target: str, body: bytes, *, plain: bool, now_ms: int
) -> bytes:
    """The request's fields, written. `plain`: the answer must not come compressed; `now_ms`: the
    ledger's clock, for a credential that is made for each request."""
    request, span, credential = exchange.request, exchange.trace.span, provider.credential
    ours = credential.fixed
    if ours is None:
        ours = await credential(request.method, target, body, now_s=now_ms / 1000)
    if span is not None:
        ours = [*ours, (b"traceparent", span.traceparent)]
    # An answer in a coding that cannot be read here could not be metered.
    identity_only = plain or not all_readable(request.headers.get("Accept-Encoding", ""))
    way = (provider.name, span is not None, identity_only)
    callers = request.notes.crossing
    if callers is None or callers.way != way:
        fields, announced = crossing(
            request.raw_headers, host=provider.host, ours=ours, identity_only=identity_only
        )
        callers = Crossing(way=way, lines=field_lines(fields), announced=announced)
        request.notes.crossing = callers
    added = added_headers(
        ours,
        body_bytes=len(body) if body or callers.announced else None,
        request_id=exchange.trace.request_id.encode(),
        identity_only=identity_only,
    )
    return callers.lines + field_lines(added)


def begin(
    answer: Answer, exchange: Exchange, *, keep_length: bool, told: Told = NOTHING_TOLD
) -> None:
    lines, framed = response_head(
        answer.headers,
        request_id=exchange.trace.request_id.encode(),
        told=told,
        keep_length=keep_length,
    )
    exchange.downstream.begin(answer.status, answer.reason, lines, framed=framed)
    # Nobody reads them any more, and a stream may go on for minutes.
    answer.headers = []
