"""Anthropic's official SDK cannot tell the simulator from the real API."""

from collections.abc import AsyncIterator

import anthropic
import pytest
from support.anthropic_sdk import MODEL, TOOL, asked

from gateway.simulator.provider import SimulatedProvider


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    provider = SimulatedProvider(api_key="sk-ant-simulated")
    yield provider
    await provider.stop()


@pytest.fixture
async def client(provider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    port = await provider.start()
    async with anthropic.AsyncAnthropic(
        base_url=f"http://127.0.0.1:{port}",
        api_key="sk-ant-simulated",
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.mark.parametrize(
    "simulate", ["", "reasoning=9", "tool", "cached=3,written=2", "searches=2"]
)
async def test_a_stream_adds_up_to_the_message(client, provider, simulate) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    options = asked(simulate=simulate, tools=[TOOL, search])
    whole = await client.messages.create(**options)
    async with client.messages.stream(**options) as stream:
        message = await stream.get_final_message()

    assert whole.model_dump() == message.model_dump(
        exclude={"content": {"__all__": {"parsed_output"}}}
    )
    assert [whole.usage.output_tokens] * 2 == [entry.tokens for entry in provider.journal.entries]


async def test_tokens_are_counted_and_models_listed(client) -> None:
    options = asked()
    del options["max_tokens"]
    counted = await client.messages.count_tokens(**options)
    message = await client.messages.create(**asked())

    assert message.usage.input_tokens == counted.input_tokens
    assert MODEL in [model.id async for model in client.models.list()]


@pytest.mark.parametrize(
    ("simulate", "error", "kind"),
    [
        ("status=400", anthropic.BadRequestError, "invalid_request_error"),
        ("status=429", anthropic.RateLimitError, "rate_limit_error"),
        ("status=500", anthropic.InternalServerError, "api_error"),
        ("status=529", anthropic.OverloadedError, "overloaded_error"),
        ("nonsense", anthropic.BadRequestError, "invalid_request_error"),
    ],
)
async def test_errors_arrive_as_the_sdks_own(client, simulate, error, kind) -> None:
    with pytest.raises(error) as caught:
        await client.messages.create(**asked(simulate=simulate))

    assert kind == caught.value.type
    assert caught.value.request_id


async def test_another_key_is_refused(client) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
        await client.copy(api_key="sk-ant-other").messages.create(**asked())


async def test_what_the_request_asks_for_is_reported(client) -> None:
    message = await client.messages.create(**asked(speed="fast", inference_geo="us"))

    assert ("fast", "us") == (message.usage.speed, message.usage.inference_geo)
