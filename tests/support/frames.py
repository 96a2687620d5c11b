"""Frames of AWS event streams that only services send."""

from gateway.dialects.aws_event_stream import encoded


def exception(kind: str, payload: bytes) -> bytes:
    """Tells of a modelled failure, and is the last of its stream."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encoded(headers, payload)
