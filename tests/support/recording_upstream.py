"""A provider on a bare socket that keeps every request as it came, byte for byte."""

from support.raw_server import Peer, RawServer

ANSWER = (
    b'{"id":"c1","object":"chat.completion","model":"gpt-4.1-mini","choices":[{"index":0,'
    b'"finish_reason":"stop","message":{"role":"assistant","content":"Yes."}}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
)


def response(body: bytes = ANSWER, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Type: application/json", *fields)
    return b"\r\n".join((*head, b"Content-Length: %d" % len(body), b"", body))


class RecordingUpstream:
    """Answers each request with `answer`. What would be a second request shows as one."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = response() if answer is None else answer
        self.requests: list[bytes] = []
        self.server = RawServer(self._serve)

    async def _serve(self, peer: Peer) -> None:
        while request := await peer.request():
            self.requests.append(request)
            await peer.send(self.answer)

    def taken(self) -> list[bytes]:
        """What came since this was last asked."""
        requests, self.requests = self.requests, []
        return requests
