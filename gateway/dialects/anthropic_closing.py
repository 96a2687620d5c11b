"""What the client has of a messages stream by now, and how it can be ended there.

A message that ends early has each open block stopped, a `message_delta` with the reason
`max_tokens` and the usage, and `message_stop`; then the official SDKs' helpers put together what
came. Source: Anthropic guide "Streaming messages" (read 2026-11-23).
"""

from collections.abc import Callable, Mapping

import orjson

from gateway.dialects.anthropic_usage import write_usage
from gateway.metering.call import Call
from gateway.metering.usage import Usage

Document = Mapping[str, object]


def written(document: Document) -> bytes:
    """An event as Anthropic's own API sends it."""
    return b"event: %b\ndata: %b\n\n" % (str(document["type"]).encode(), orjson.dumps(document))


class MessageClosing:
    """Grows with every event that was relayed. Implements `Closing`."""

    __slots__ = ("_call", "_concluded", "_open", "_started", "_stopped", "_write")

    def __init__(self, call: Call, *, write: Callable[[Document], bytes] = written) -> None:
        """`write` puts an event into the stream's own frame."""
        self._call = call
        self._write = write
        self._started = False
        self._concluded = False
        """A `message_delta` has said why it stopped."""
        self._stopped = False
        self._open: set[int] = set()

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        index = document.get("index")
        match document.get("type"):
            case "message_start":
                self._started = True
            case "content_block_start" if type(index) is int:
                self._open.add(index)
            case "content_block_stop" if type(index) is int:
                self._open.discard(index)
            case "message_delta":
                delta = document.get("delta")
                self._concluded = isinstance(delta, dict) and bool(delta.get("stop_reason"))
            case "message_stop" | "error":
                self._stopped = True
            case _:
                pass

    def end(self) -> None:
        """This format has no terminator beside its last event; a server may add one."""

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:  # noqa: ARG002 (always told)
        """Nothing after the stream's own end."""
        if self._stopped:
            return b""
        events: list[Document] = []
        if not self._started:
            events.append({"type": "message_start", "message": self._message(usage)})
        events += [{"type": "content_block_stop", "index": index} for index in sorted(self._open)]
        if not self._concluded:
            delta = {"stop_reason": "max_tokens", "stop_sequence": None}
            events.append({"type": "message_delta", "delta": delta, "usage": write_usage(usage)})
        events.append({"type": "message_stop"})
        return b"".join(map(self._write, events))

    def _message(self, usage: Usage) -> dict[str, object]:
        return {
            "id": "",
            "type": "message",
            "role": "assistant",
            "model": self._call.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(usage.input_part),
        }
