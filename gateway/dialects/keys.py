"""The virtual key a caller sent, in any of the ways in which some vendor's clients send one.

`Authorization: Bearer` (OpenAI, Cohere, Bedrock API keys), `x-api-key` (Anthropic), `api-key`
(Azure OpenAI), `x-goog-api-key` and `?key=` (Gemini), and a WebSocket's subprotocol
`openai-insecure-api-key.<key>` (browsers, which cannot set its headers). All of them are read for
every API: an SDK that is pointed at another base URL keeps its own way.
"""

from collections.abc import Mapping

SOCKET_PROTOCOL = "Sec-WebSocket-Protocol"
SOCKET_KEY = "openai-insecure-api-key."
NOT_FORWARDED = ("openai-insecure-", "openai-organization.", "openai-project.")

HEADERS = ("x-api-key", "api-key", "x-goog-api-key")


def presented_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """None without one, and as well when two different keys are presented: which one pays is not
    ours to guess. `headers` are case-insensitive."""
    scheme, _, credentials = headers.get("Authorization", "").strip().partition(" ")
    presented = {credentials.strip() if scheme.lower() == "bearer" else ""}
    presented.update([headers.get(name, "").strip() for name in HEADERS])
    if query:
        presented.add(query.get("key", "").strip())
    if SOCKET_PROTOCOL in headers:
        presented.update(_offered(headers, carrying=SOCKET_KEY))
    presented.discard("")
    return presented.pop() if len(presented) == 1 else None


def socket_protocols(headers: Mapping[str, str]) -> list[str]:
    """The subprotocols a client offers for a WebSocket, but those that carry a key or name whom
    the provider bills."""
    return [name for name in _offered(headers) if not name.startswith(NOT_FORWARDED)]


def _offered(headers: Mapping[str, str], *, carrying: str = "") -> list[str]:
    offered = map(str.strip, headers.get(SOCKET_PROTOCOL, "").split(","))
    return [name.removeprefix(carrying) for name in offered if name and name.startswith(carrying)]
