"""The official Python SDK in front of a gateway, and what is asked and read in most tests of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
from support.gateways import MODEL, TestGateway, running_gateway

MESSAGES = [{"role": "user", "content": "Tell me about toll roads. Ünïcode, please: 道路."}]
# Credit for the prompt and about a hundred tokens of the answer.
CUT_SHORT = {"plan": "{enforcement: rolling, slice_tokens: 16}", "credit": 0.018}


@asynccontextmanager
async def gateway_and_sdk(
    folder: Path, store_url: str, *, max_retries: int = 0, **options: Any
) -> AsyncIterator[tuple[TestGateway, openai.AsyncOpenAI]]:
    """A gateway and the SDK set to it; at the end the books must balance."""
    async with running_gateway(folder, store_url, **options) as tk:
        async with openai.AsyncOpenAI(
            base_url=tk.base_url, api_key=tk.key, max_retries=max_retries
        ) as sdk:
            yield tk, sdk
        await tk.assert_books_balance()


def provider_sdk(tk: TestGateway, sdk: openai.AsyncOpenAI) -> openai.AsyncOpenAI:
    """The same client, connections included, set to the provider itself."""
    return sdk.with_options(base_url=tk.provider_url)


def ask(sdk: Any, *, simulate: str = "tokens=12", **options: Any) -> Any:
    """A chat completion, to be awaited if the client is asynchronous."""
    options.setdefault("model", MODEL)
    options.setdefault("messages", MESSAGES)
    return sdk.chat.completions.create(extra_headers={"x-simulate": simulate}, **options)


async def chunks_of(stream: Any) -> list[Any]:
    return [chunk async for chunk in stream]


def text_of(chunks: list[Any], *, choice: int = 0) -> str:
    parts = (part for chunk in chunks for part in chunk.choices if part.index == choice)
    return "".join(part.delta.content or "" for part in parts)


def used(event: dict[str, Any]) -> dict[str, int]:
    """The classes and pieces that occurred in a usage event, by name."""
    usage = dict(event["usage"])
    pieces = dict(usage.pop("pieces"))
    usage.pop("service_tier")
    return {name: count for name, count in usage.items() if count} | pieces
