"""Anthropic's official Python SDK in front of a gateway, and what is asked in most tests of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
from support.gateways import TestGateway, running_gateway

MODEL = "claude-sonnet-4-6"
MESSAGES = [{"role": "user", "content": "Tell me about toll roads. Ünïcode, please: 道路."}]
# µcr per token: 3, 0.30, 3.75 and 15 US$ per million.
INPUT_UCR, READ_UCR, WRITTEN_UCR, OUTPUT_UCR = 300, 30, 375, 1500
SELLS = {
    MODEL: '{input: "3", cache_read: "0.3", cache_write_5m: "3.75", output: "15", '
    "context_tokens: 100000, max_output_tokens: 32000}"
}
OPTIONS: dict[str, Any] = {"auth": "x-api-key", "apis": "[anthropic]", "sells": SELLS}
# Credit for the prompt and about a hundred tokens of the answer.
CUT_SHORT = {"plan": "{enforcement: rolling, slice_tokens: 16}", "credit": 0.17}
TOOL = {
    "name": "get_toll",
    "description": "What a road costs",
    "input_schema": {
        "type": "object",
        "properties": {"road": {"type": "string"}, "axles": {"type": "integer"}},
    },
}


@asynccontextmanager
async def gateway_and_sdk(
    folder: Path, store_url: str, *, max_retries: int = 0, **options: Any
) -> AsyncIterator[tuple[TestGateway, anthropic.AsyncAnthropic]]:
    """A gateway and the SDK set to it; at the end the books must balance."""
    async with running_gateway(folder, store_url, **(OPTIONS | options)) as tk:
        async with anthropic.AsyncAnthropic(
            base_url=tk.origin, api_key=tk.key, max_retries=max_retries
        ) as sdk:
            yield tk, sdk
        await tk.assert_books_balance()


def provider_sdk(tk: TestGateway, sdk: anthropic.AsyncAnthropic) -> anthropic.AsyncAnthropic:
    """The same client, connections included, set to the provider itself."""
    provider_url = tk.gateway._settings.providers["simulated"].base_url
    return sdk.with_options(base_url=provider_url)


def asked(*, simulate: str = "tokens=12", **options: Any) -> dict[str, Any]:
    """The arguments of `messages.create` or `messages.stream`; what is not said is made up."""
    plain = {"model": MODEL, "messages": MESSAGES, "max_tokens": 1000}
    return plain | options | {"extra_headers": {"x-simulate": simulate}}
