"""The provider of the bank test: writes down what it produced for each request, before it sends it.

Speaks chat completions. One word is one token, so that what it says needs no tokenizer to be
counted; how it behaves is its profile, which the nemesis changes.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson
from aiohttp import web

WORD = " toll"
# Of a chat prompt with one message: its frame, its role, and the frame of the answer.
PROMPT_FRAME_TOKENS = 7
# Sent with each answer, so that a gateway's own refusal is told from a provider's error.
MARK = "x-bank-provider"


@dataclass(frozen=True)
class Profile:
    name: str
    word_s: float = 0.025
    first_s: float = 0.0
    status: int = 200
    usage: str = "true"
    """What is reported: true, none, zero or absurd."""
    done: bool = True
    breaks_after: int = -1
    silent_after: int = -1


USUAL = Profile("usual")
PROFILES = (
    USUAL,
    Profile("fast", word_s=0.0),
    Profile("slow", word_s=0.12),
    Profile("late", first_s=1.0),
    Profile("no usage", usage="none"),
    Profile("no usage, no done", usage="none", done=False),
    Profile("no done", done=False),
    Profile("usage of zero", usage="zero"),
    Profile("absurd usage", usage="absurd"),
    Profile("breaks", breaks_after=12),
    Profile("falls silent", silent_after=10),
    Profile("overloaded", status=429),
    Profile("fails", status=500),
)


@dataclass
class Row:
    """One request as the provider saw it. `words_s`: when each word was about to go out."""

    request_id: str
    call_id: str
    prompt_tokens: int
    began_s: float
    profile: Profile
    words_s: list[float] = field(default_factory=list)
    finished: bool = False


class Provider:
    def __init__(self) -> None:
        self.profile = USUAL
        self.rows: list[Row] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read())
        row = Row(
            request_id=request.headers["x-tollkeeper-request-id"],
            call_id=request.headers["x-bank-call"],
            prompt_tokens=PROMPT_FRAME_TOKENS + asked["messages"][0]["content"].count(WORD),
            began_s=monotonic(),
            profile=self.profile,
        )
        self.rows.append(row)
        profile = row.profile
        if profile.status != 200:
            error = {"error": {"message": profile.name, "type": "bank", "code": "bank"}}
            return web.json_response(error, status=profile.status, headers={MARK: "1"})
        await asyncio.sleep(profile.first_s)
        words = min(asked["max_tokens"], int(request.headers["x-bank-words"]))
        if not asked.get("stream"):
            return await self._whole(row, words=words)
        answer = web.StreamResponse(headers={MARK: "1", "Content-Type": "text/event-stream"})
        try:
            await answer.prepare(request)
            await self._stream(request, answer, row, words=words, asked=asked)
        except ConnectionResetError:
            pass  # whoever asked is gone
        return answer

    async def _whole(self, row: Row, *, words: int) -> web.StreamResponse:
        await asyncio.sleep(row.profile.word_s * words)
        row.words_s = [monotonic()] * words
        row.finished = True
        message = {"role": "assistant", "content": WORD * words}
        document: dict[str, Any] = _head("chat.completion") | {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]
        }
        if (usage := _usage(row)) is not None:
            document["usage"] = usage
        return web.json_response(document, headers={MARK: "1"})

    async def _stream(
        self,
        request: web.Request,
        answer: web.StreamResponse,
        row: Row,
        *,
        words: int,
        asked: dict[str, Any],
    ) -> None:
        profile = row.profile
        for number in range(words):
            if number == profile.breaks_after:
                assert request.transport is not None
                request.transport.abort()
                return
            if number == profile.silent_after:
                await asyncio.sleep(60)
            row.words_s.append(monotonic())
            await answer.write(_chunk({"content": WORD}))
            await asyncio.sleep(profile.word_s)
        await answer.write(_chunk({}, finish="stop"))
        usage = _usage(row)
        if usage is not None and asked.get("stream_options", {}).get("include_usage"):
            await answer.write(
                _event(_head("chat.completion.chunk") | {"choices": [], "usage": usage})
            )
        if profile.done:
            await answer.write(b"data: [DONE]\n\n")
        row.finished = True
        await answer.write_eof()


def _usage(row: Row) -> dict[str, int] | None:
    told = {"true": len(row.words_s), "zero": 0, "absurd": 1_000_000_000}.get(row.profile.usage)
    if told is None:
        return None
    prompt = 0 if row.profile.usage == "zero" else row.prompt_tokens
    return {"prompt_tokens": prompt, "completion_tokens": told, "total_tokens": prompt + told}


def _head(kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-bank",
        "object": kind,
        "created": 1_790_000_000,
        "model": "gpt-4.1-mini",
    }


def _chunk(delta: dict[str, str], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event(_head("chat.completion.chunk") | {"choices": [choice]})


def _event(document: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(document)
