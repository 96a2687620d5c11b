"""Google's official Python SDK in front of a gateway, and what is asked in most tests of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google import genai
from google.genai import types
from support.gateways import TestGateway, running_gateway

MODEL = "gemini-2.5-flash"
CONTENTS = "Tell me about toll roads. Ünïcode, please: 道路."
# µcr per token: 0.30, 0.03 and 2.50 US$ per million.
INPUT_UCR, READ_UCR, OUTPUT_UCR = 30, 3, 250
SELLS = {
    MODEL: '{input: "0.3", cache_read: "0.03", output: "2.5", context_tokens: 100000, '
    'max_output_tokens: 32000, pieces: {grounding: "0.035", grounding_query: "0", '
    'cached_token_hour: "0.000001"}}',
    "gemini-embedding-001": '{input: "0.15", output: "0", context_tokens: 2048, '
    "max_output_tokens: 1}",
    "imagen-4.0-generate-001": '{pieces: {image: "0.04"}}',
}
# Of an embedded token, of a token kept for an hour, of a picture.
EMBED_UCR, KEPT_UCR, PICTURE_UCR = 15, 100, 4_000_000
OPTIONS: dict[str, Any] = {"auth": "x-goog-api-key", "apis": "[gemini]", "sells": SELLS}
# Credit for the prompt and about a hundred tokens of the answer.
CUT_SHORT = {"plan": "{enforcement: rolling, slice_tokens: 16}", "credit": 0.03}


def client(origin: str, key: str, **options: Any) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=origin), **options)


@asynccontextmanager
async def gateway_and_sdk(
    folder: Path, store_url: str, **options: Any
) -> AsyncIterator[tuple[TestGateway, genai.client.AsyncClient]]:
    """A gateway and the SDK set to it; at the end the books must balance."""
    async with running_gateway(folder, store_url, **(OPTIONS | options)) as tk:
        async with client(tk.origin, tk.key).aio as sdk:
            yield tk, sdk
        await tk.assert_books_balance()


def config(*, simulate: str = "tokens=12", **options: Any) -> types.GenerateContentConfig:
    headers = types.HttpOptions(headers={"x-simulate": simulate})
    return types.GenerateContentConfig(http_options=headers, **options)


async def ask(sdk: Any, *, contents: Any = CONTENTS, **options: Any) -> Any:
    return await sdk.models.generate_content(
        model=MODEL, contents=contents, config=config(**options)
    )


async def stream(sdk: Any, *, contents: Any = CONTENTS, **options: Any) -> list[Any]:
    answer = await sdk.models.generate_content_stream(
        model=MODEL, contents=contents, config=config(**options)
    )
    return [chunk async for chunk in answer]


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.text or "" for chunk in chunks)
