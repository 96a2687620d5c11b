"""Reads one HTTP/1.1 response after the other out of bytes, however they are cut.

httptools (llhttp) does the parsing; this adds what it does not know: which answers have no body
because the question was HEAD, how much may be sent without getting anywhere, and the refusals of
`framing`. Knows no socket, no clock and no caller.
"""

import httptools

from gateway.proxy.framing import (
    MalformedAnswer,
    check_interim,
    printable_reason,
    read_framing,
)

_FIRST_BYTE = ord("H")
"""llhttp would also read RTSP and ICE responses, and skip blank lines before the status line."""

_FINAL_STATUS_MIN = 200

_NOBODYS = httptools.HttpResponseParser(None)


class ResponseReader:
    """The state of one response.

    `status` is 0 until the final head is there; interim responses (1xx) are skipped, trailers
    dropped. `persistent` says, once `complete`, whether the connection may carry another response.
    """

    __slots__ = (
        "_barren_bytes",
        "_fields",
        "_head_bytes_max",
        "_head_only",
        "_interim",
        "_parser",
        "_pieces",
        "_reason",
        "_until_close",
        "complete",
        "headers",
        "on_body",
        "persistent",
        "status",
    )

    def __init__(self, *, head_bytes_max: int) -> None:
        self._head_bytes_max = head_bytes_max
        self._pieces: list[bytes] = []
        # The parser calls this for each piece of body; a list's own append costs no Python frame.
        self.on_body = self._pieces.append
        self._head_only = False
        self._parser = httptools.HttpResponseParser(self)
        self.expect(head_only=False)

    @property
    def reason(self) -> str:
        return printable_reason(self._reason)

    @property
    def silent(self) -> bool:
        """Not one byte of this response has come."""
        return not self.status and not self._barren_bytes

    def expect(self, *, head_only: bool) -> None:
        """Get ready for the next response; `head_only` when the question is HEAD."""
        if self._head_only:
            # The parser still waits for the body that the head announced and nobody will send.
            self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._interim = False
        self._until_close = False
        self._barren_bytes = 0
        self._reason = b""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.persistent = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what they bring of the body. What else they complete is left in
        the attributes.

        Raises MalformedAnswer; what came of the body before the fault can still be `taken`.
        """
        head_pending = not self.status
        if head_pending and not self._barren_bytes and data[0] != _FIRST_BYTE:
            raise MalformedAnswer("it does not start like an HTTP response")
        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.complete:
                raise MalformedAnswer(str(error.__context__ or error)) from error
            self.persistent = False
        if self._barren_bytes > self._head_bytes_max:
            self._check_size(head_pending=head_pending)
        pieces = self._pieces
        if not pieces:
            return b""
        self._barren_bytes = 0
        if self._head_only:
            pieces.clear()
            self.persistent = False
            return b""
        return pieces.pop() if len(pieces) == 1 else self.taken()

    def taken(self) -> bytes:
        """What has come of the body and was not taken yet."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def close(self) -> bool:
        """The provider sends no more: does that complete the response?"""
        if self.status and self._until_close:
            self.complete = True
        return self.complete

    def forget(self) -> None:
        """Nothing more comes. Parser and reader hold each other: as long as they do, both wait in
        memory for the garbage collector."""
        self._parser = _NOBODYS

    def _check_size(self, *, head_pending: bool) -> None:
        """Heads, chunk extensions and trailers count as long as they bring no body."""
        if self.status and self._pieces:
            # One large read may hold a small head and much body.
            if not head_pending or self._head_bytes() <= self._head_bytes_max:
                return
            self.status = 0
            self._pieces.clear()
        raise MalformedAnswer(f"more than {self._head_bytes_max} bytes of head or chunk framing")

    def _head_bytes(self) -> int:
        fields = sum(len(name) + len(value) for name, value in self.headers)
        return fields + len(self._reason)

    # What follows is called by httptools, in this order.

    def on_message_begin(self) -> None:
        if self.complete:
            raise MalformedAnswer("bytes follow the end of the response")

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FINAL_STATUS_MIN:
            check_interim(status, self._fields)
            self._interim = True
            self._reason = b""
            self._fields = []
            return
        version = self._parser.get_http_version()
        self._until_close, self.persistent = read_framing(status, version, self._fields)
        self.status = status
        # What comes from now on are trailers: they end in a list that nobody looks at.
        self.headers, self._fields = self._fields, []
        if self._head_only:
            self.complete = True
            self.persistent = self.persistent and self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self.complete:
            self.complete = True
            self.persistent = self.persistent and self._parser.should_keep_alive()
