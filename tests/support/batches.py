"""Batches of chat completions as the official SDK makes them, and what they hold and cost."""

import asyncio
from typing import Any

import openai
import orjson
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, TestGateway
from support.python_sdk import MESSAGES


def lines(count: int = 3, *, model: str = MODEL, max_tokens: int | None = 50) -> bytes:
    requests = []
    for number in range(count):
        body: dict[str, Any] = {"model": model, "messages": MESSAGES}
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        requests.append(
            {
                "custom_id": f"request-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
        )
    return b"".join(orjson.dumps(request) + b"\n" for request in requests)


async def upload(sdk: openai.AsyncOpenAI, content: bytes) -> str:
    file = await sdk.files.create(file=("batch.jsonl", content), purpose="batch")
    return file.id


async def begin(
    sdk: openai.AsyncOpenAI, content: bytes, *, simulate: str = "tokens=7,job_ms=3600000"
) -> Any:
    return await sdk.batches.create(
        input_file_id=await upload(sdk, content),
        endpoint="/v1/chat/completions",
        completion_window="24h",
        extra_headers={"x-simulate": simulate},
    )


def worst_case_ucr(content: bytes) -> int:
    """A prompt has at most as many tokens as its request has bytes."""
    bodies = [orjson.dumps(orjson.loads(line)["body"]) for line in content.splitlines()]
    answers = sum(orjson.loads(body)["max_tokens"] for body in bodies)
    return sum(map(len, bodies)) * INPUT_UCR + answers * OUTPUT_UCR


def charge_ucr(usage: Any) -> int:
    return usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR


async def held(tk: TestGateway) -> int:
    """What a batch holds, once its hold is kept."""
    async with asyncio.timeout(5):
        while not [line for line in tk.lines.calls() if line["end"] == "begun"]:
            await asyncio.sleep(0.02)
    balance = await tk.balance()
    assert (1, 0) == (balance.live_holds, balance.charged_ucr)
    return balance.held_ucr


async def lines_of(tk: TestGateway, event: str) -> list[dict[str, Any]]:
    """The log's lines of that event, once there is one: lines wait a moment for company."""
    async with asyncio.timeout(5):
        while not (found := [line for line in tk.lines.all() if line["event"] == event]):
            await asyncio.sleep(0.02)
    return found
