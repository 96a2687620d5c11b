"""Sending by HTTP, for all sinks that do: deadlines, no redirects, and what an answer means.

What an answer means is the same nearly everywhere; a sink that knows better looks at the answer
first. Credentials travel in headers that are never logged or quoted.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from gateway.sinks.base import DELIVERED, DUPLICATE, Fate, Outcome, retry

# Of an answer we read this much: enough for a hundred errors with their texts.
ANSWER_BYTES_MAX = 256 * 1024
QUOTED_CHARS_MAX = 200
# The receiver will not take this content, however often it comes.
REFUSALS = frozenset({400, 413, 422})
CONNECTIONS_MAX = 16


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's successes

    @property
    def retry_after_s(self) -> float | None:
        """Seconds, or a date measured by the sender's own clock (RFC 9110 §10.2.3)."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isdigit():
            return float(value)
        try:
            until = parsedate_to_datetime(value)
            sent = parsedate_to_datetime(self.headers.get("Date", ""))
            return max(0.0, (until - sent).total_seconds())
        except (ValueError, TypeError):
            return None

    @property
    def quoted(self) -> str:
        """The beginning of what it says, for people."""
        text = self.body[: QUOTED_CHARS_MAX * 2].decode("utf-8", "replace")
        printable = "".join(char if char.isprintable() else " " for char in text)
        return f"HTTP {self.status}: {printable[:QUOTED_CHARS_MAX].strip()}"


class Http:
    """A session that is opened in the worker that uses it."""

    def __init__(
        self,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    def open(self, connector: aiohttp.BaseConnector | None = None) -> None:
        self._session = aiohttp.ClientSession(
            connector=connector or aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            headers=self._headers,
            # What a receiver remembers of us is in the request, never in a cookie.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer | Outcome:
        """The answer, or RETRY: then nobody knows whether the request had its effect."""
        return await self.ask("POST", url, body=body, headers=headers)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Outcome:
        assert self._session is not None, "a sink is opened before it is used"
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                content = await response.content.read(ANSWER_BYTES_MAX)
                while len(content) < ANSWER_BYTES_MAX and not response.content.at_eof():
                    content += await response.content.read(ANSWER_BYTES_MAX - len(content))
                return Answer(response.status, response.headers, content)
        except TimeoutError:
            return retry(f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return retry(f"not reached ({type(error).__name__})")


def outcome_of(answer: Answer | Outcome) -> Outcome:
    """What an answer means for all that was sent with it, where no sink knows better."""
    if isinstance(answer, Outcome):
        return answer
    if answer.ok:
        return DELIVERED
    if answer.status in REFUSALS:
        return Outcome(Fate.REFUSED, answer.quoted)
    if answer.status == 409:  # noqa: PLR2004 - Conflict: it is there already
        return DUPLICATE
    # A wrong address, credential or permission is mended by the operator, not by giving up.
    return retry(answer.quoted, after_s=answer.retry_after_s)
