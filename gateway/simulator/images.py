"""Pictures, as OpenAI makes them: real little PNG files, whole or with previews on the way.
https://platform.openai.com/docs/api-reference/images (looked at 2026-11).

Models whose names begin with `gpt-image` are told by the token, all others by the picture and
report nothing.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Route, text_in
from gateway.simulator.journal import Entry
from gateway.simulator.media import png
from gateway.simulator.sending import send_document, send_stream
from gateway.simulator.vendor import AZURE
from gateway.simulator.wire import Chunk

BY_TOKEN = "gpt-image"  # noqa: S105 (how a name begins)
GIVEN_TOKENS = 194
PREVIEW_TOKENS = 100
# Of a square one; the guide has 1.5 times as many for the others.
MADE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160}
DEFAULT_QUALITY, DEFAULT_SIZE = "high", "1024x1024"
# Real in every way but this: what matters here is that it is a picture.
SIDE_PX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for."""

    kind: str
    model: str
    prompt: str
    prompt_tokens: int
    count: int
    quality: str
    size: str
    given: int
    stream: bool
    previews: int

    @property
    def by_token(self) -> bool:
        return self.model.startswith(BY_TOKEN)

    @property
    def made_tokens(self) -> int:
        tokens = MADE_TOKENS.get(self.quality, MADE_TOKENS[DEFAULT_QUALITY])
        return tokens if self.size == DEFAULT_SIZE else tokens * 3 // 2


async def _generate(exchange: Exchange) -> web.StreamResponse:
    asked = {name: str(value) for name, value in exchange.document().items()}
    return await _answer(exchange, _order(exchange, asked, kind="image_generation", given=0))


async def _edit(exchange: Exchange) -> web.StreamResponse:
    parts = await exchange.form()
    asked = {part.name: text_in(parts, part.name) for part in parts if part.filename is None}
    given = sum(part.filename is not None for part in parts)
    return await _answer(exchange, _order(exchange, asked, kind="image_edit", given=given))


ROUTES = (
    Route("POST", "/v1/images/generations", _generate),
    Route("POST", "/v1/images/edits", _edit),
    Route("POST", "/v1/images/variations", _edit),
    Route("POST", "/openai/deployments/{model}/images/generations", _generate, AZURE),
    Route("POST", "/openai/deployments/{model}/images/edits", _edit, AZURE),
)


def _order(exchange: Exchange, asked: Mapping[str, str], *, kind: str, given: int) -> Order:
    count = asked.get("n", "1")
    if not count.isdecimal():
        raise RefusedRequest("Invalid value for 'n'.", param="n")
    prompt = asked.get("prompt", "")
    return Order(
        kind=kind,
        model=asked.get("model", ""),
        prompt=prompt,
        prompt_tokens=exchange.count(prompt),
        count=int(count),
        quality=asked.get("quality", DEFAULT_QUALITY),
        size=asked.get("size", DEFAULT_SIZE),
        given=given,
        stream=asked.get("stream", "").lower() == "true",
        previews=int(asked.get("partial_images", "0")),
    )


async def _answer(exchange: Exchange, order: Order) -> web.StreamResponse:
    exchange.entry.prompt_tokens = order.prompt_tokens + order.given * GIVEN_TOKENS
    await exchange.ready()
    if order.stream:
        return await send_stream(exchange, _events(exchange, order))

    def produced(entry: Entry) -> None:
        tokens = order.count * order.made_tokens if order.by_token else 0
        entry.produced(tokens=tokens, made={"image": order.count})

    return await send_document(exchange, _document(exchange, order), produced=produced)


def _document(exchange: Exchange, order: Order) -> bytes:
    pictures = [_picture(order, number) for number in range(order.count)]
    answer: dict[str, object] = {
        "created": int(datetime.now(UTC).timestamp()),
        "data": [
            {"b64_json": picture} if order.by_token else {"url": f"data:image/png;base64,{picture}"}
            for picture in pictures
        ],
    }
    if order.by_token:
        answer |= {"background": "opaque", "output_format": "png"}
        answer |= {"quality": order.quality, "size": order.size}
        if not exchange.script.no_usage:
            answer["usage"] = _usage(order, order.count * order.made_tokens)
    return orjson.dumps(answer, option=orjson.OPT_INDENT_2)


def _events(exchange: Exchange, order: Order) -> Iterator[Chunk]:
    told = {
        "created_at": int(datetime.now(UTC).timestamp()),
        "size": order.size,
        "quality": order.quality,
        "background": "opaque",
        "output_format": "png",
    }
    for number in range(order.previews):
        kind = f"{order.kind}.partial_image"
        fields = {"partial_image_index": number, "b64_json": _picture(order, number)}
        event = {"type": kind, **told, **fields}
        yield Chunk(_event(kind, event), tokens=PREVIEW_TOKENS, made={"preview": 1})
    kind = f"{order.kind}.completed"
    final: dict[str, object] = {"type": kind, **told, "b64_json": _picture(order, order.previews)}
    if not exchange.script.no_usage:
        final["usage"] = _usage(order, order.made_tokens + order.previews * PREVIEW_TOKENS)
    yield Chunk(_event(kind, final), tokens=order.made_tokens, made={"image": 1})


def _event(kind: str, fields: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(fields))


def _usage(order: Order, made_tokens: int) -> dict[str, object]:
    given_tokens = order.given * GIVEN_TOKENS
    return {
        "total_tokens": order.prompt_tokens + given_tokens + made_tokens,
        "input_tokens": order.prompt_tokens + given_tokens,
        "output_tokens": made_tokens,
        "input_tokens_details": {
            "text_tokens": order.prompt_tokens,
            "image_tokens": given_tokens,
        },
    }


def _picture(order: Order, number: int) -> str:
    grey = (len(order.prompt) * 7 + number * 31) % 256
    return base64.b64encode(png(SIDE_PX, SIDE_PX, grey=grey)).decode()
