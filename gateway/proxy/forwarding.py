"""What a request becomes on its way to a provider, and how an answer begins on its way back."""

from urllib.parse import unquote_plus

from gateway.proxy.decoding import all_readable
from gateway.proxy.headers import request_headers, response_headers
from gateway.proxy.providers import Provider
from gateway.proxy.seams import Answer, Exchange, Incoming, RawHeaders

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
) -> list[tuple[bytes, bytes]]:
    """The request's headers. `plain`: the answer must not come compressed; `now_ms`: the ledger's
    clock, for a credential that is made for each request."""
    request, span = exchange.request, exchange.trace.span
    ours = await provider.credential(request.method, target, body, now_s=now_ms / 1000)
    if span is not None:
        ours = [*ours, (b"traceparent", span.traceparent)]
    return request_headers(
        request.raw_headers,
        host=provider.host,
        credential=ours,
        body_bytes=len(body),
        request_id=exchange.trace.request_id.encode(),
        # An answer in a coding that cannot be read here could not be metered.
        identity_only=plain or not all_readable(request.headers.get("Accept-Encoding", "")),
    )


def begin(answer: Answer, exchange: Exchange, *, extra: RawHeaders, keep_length: bool) -> None:
    headers = response_headers(
        answer.headers,
        request_id=exchange.trace.request_id.encode(),
        extra=extra,
        keep_length=keep_length,
    )
    exchange.downstream.begin(answer.status, answer.reason, headers=headers)
