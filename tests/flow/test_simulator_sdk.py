"""The official SDK cannot tell the simulator from the real API."""

from collections.abc import AsyncIterator

import openai
import pytest

from gateway.simulator.provider import SimulatedProvider

MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    provider = SimulatedProvider()
    port = await provider.start()
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-simulated", max_retries=0
    ) as client:
        yield client
    await provider.stop()


async def test_a_stream_adds_up_to_the_answer(client) -> None:
    whole = await client.chat.completions.create(model="gpt-4.1", messages=MESSAGES)
    stream = await client.chat.completions.create(
        model="gpt-4.1", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert whole.choices[0].message.content == text
    assert whole.usage == chunks[-1].usage


async def test_errors_arrive_as_the_sdks_own(client) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(
            model="gpt-4.1", messages=MESSAGES, extra_headers={"x-simulate": "status=429"}
        )

    assert "rate_limit_exceeded" == caught.value.code
    assert caught.value.request_id
