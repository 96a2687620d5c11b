"""What an answer's body is: its Content-Type and Content-Encoding."""

from functools import lru_cache

from gateway.proxy.seams import RawHeaders

EVENT_STREAM = "text/event-stream"
_LENGTHS = frozenset({len("content-type"), len("content-encoding")})


def content_of(headers: RawHeaders) -> tuple[str, str]:
    """Its type without parameters, and its encoding; lower case, empty if absent or `identity`."""
    content_type = encoding = b""
    for name, value in headers:
        # Cheaper than a lower-case copy of every name, and tells most of them apart.
        if len(name) not in _LENGTHS:
            continue
        lower = name.lower()
        if lower == b"content-type":
            content_type = value
        elif lower == b"content-encoding":
            encoding = value
    return _media_type(content_type), _coding(encoding) if encoding else ""


def told_type(content_type: str, *, in_events: bool) -> str:
    """What an answer is read as, where words were asked for `in_events` and it has no type of its
    own."""
    untyped = content_type in ("", "text/plain", "text/html", "application/octet-stream")
    return EVENT_STREAM if in_events and untyped else content_type


@lru_cache(maxsize=64)
def _media_type(value: bytes) -> str:
    return value.partition(b";")[0].strip().lower().decode("latin-1")


def _coding(value: bytes) -> str:
    coding = value.strip().lower().decode("latin-1")
    return "" if coding == "identity" else coding
