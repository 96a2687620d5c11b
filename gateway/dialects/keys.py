"""The virtual key a caller sent, in any of the ways in which some vendor's clients send one.

`Authorization: Bearer` (OpenAI, Cohere, Bedrock API keys), `x-api-key` (Anthropic), `api-key`
(Azure OpenAI), `x-goog-api-key` and `?key=` (Gemini). All of them are read for every API: an SDK
that is pointed at another base URL keeps its own way.
"""

from collections.abc import Mapping

HEADERS = ("x-api-key", "api-key", "x-goog-api-key")


def presented_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """None without one, and as well when two different keys are presented: which one pays is not
    ours to guess. `headers` are case-insensitive."""
    scheme, _, credentials = headers.get("Authorization", "").strip().partition(" ")
    presented = {credentials.strip() if scheme.lower() == "bearer" else ""}
    presented.update([headers.get(name, "").strip() for name in HEADERS])
    if query:
        presented.add(query.get("key", "").strip())
    presented.discard("")
    return presented.pop() if len(presented) == 1 else None
