"""Links in an answer that lead to the provider's own host: here, they lead to us.

Anthropic tells the URL of a batch's results, and its SDKs follow it as it stands: past the gateway,
with a key that Anthropic does not know. It is the one place where an answer's body is changed, and
only the scheme and host of such a link, in an object of documented size: a longer one passes as it
is.
"""

import re
from collections.abc import Mapping, Sequence

BODY_BYTES_MAX = 4 * 1024 * 1024
_SCHEMES = ("http", "https")


def origin(headers: Mapping[str, str]) -> str:
    """By which the caller reached us. TLS ends before us: what the caller spoke is what its proxy
    says (X-Forwarded-Proto), else plain HTTP. Empty for one that did not say whom it called."""
    forwarded = headers.get("X-Forwarded-Proto", "").strip().lower()
    host = headers.get("Host", "")
    return f"{forwarded if forwarded in _SCHEMES else 'http'}://{host}" if host else ""


class LinksHere:
    """A filter of one uncompressed JSON answer. Implements `BodyFilter`."""

    def __init__(self, members: Sequence[str], *, provider_host: bytes, here: str) -> None:
        names = b"|".join(re.escape(name.encode()) for name in members)
        self._link = re.compile(
            rb'("(?:%b)"\s*:\s*")https?://%b(?=[/"])' % (names, re.escape(provider_host)),
            re.IGNORECASE,
        )
        self._here = here.encode("latin-1", "replace")
        self._pieces: list[bytes] | None = []
        self._bytes = 0

    def feed(self, data: bytes) -> bytes:
        if self._pieces is None:
            return data
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes <= BODY_BYTES_MAX:
            return b""
        whole, self._pieces = b"".join(self._pieces), None
        return whole

    def close(self) -> bytes:
        whole, self._pieces = b"".join(self._pieces or ()), None
        return self._link.sub(lambda found: found[1] + self._here, whole)
