"""`stream_options.include_usage`: whether a caller asked for the usage event of a stream, and the
smallest splice that asks for it on the caller's behalf. Source: OpenAI API reference, "Create chat
completion" and "Create completion" (read 2026-11-23).
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.dialects.base import Prepared
from gateway.dialects.json_body import boolean, wrong
from gateway.dialects.json_scan import inserted, member, members, replaced
from gateway.metering.call import Call


def include_usage(document: Mapping[str, object]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise wrong("stream_options", "an object", options)
    return boolean(options, "include_usage")


def asking_usage(ready: Prepared, call: Call) -> Prepared:
    """The same, asking for the usage of a stream whose caller did not."""
    if not call.stream or call.wants_usage:
        return ready
    return replace(ready, body=_asking(ready.body, call.document), hide_usage=True)


def _asking(body: bytes, document: Mapping[str, object]) -> bytes:
    """The body with `stream_options.include_usage` true and every other byte as it was."""
    if "stream_options" not in document:
        return inserted(body, body.index(b"{") + 1, b'"stream_options":{"include_usage":true},')
    options = member(body, "stream_options")
    if not document["stream_options"]:  # null or empty
        return replaced(body, options, b'{"include_usage":true}')
    for option in members(body, options.start):
        if option.key == "include_usage":
            return replaced(body, option, b"true")
    return inserted(body, options.start + 1, b'"include_usage":true,')
