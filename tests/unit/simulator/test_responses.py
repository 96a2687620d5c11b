"""The official SDK cannot tell the simulator's Responses API from the real one."""

from collections.abc import AsyncIterator

import openai
import pytest

from gateway.simulator.provider import SimulatedProvider


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    provider = SimulatedProvider()
    port = await provider.start()
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-simulated", max_retries=0
    ) as client:
        yield client
    await provider.stop()


def asking(simulate: str = "", **options):
    headers = {"x-simulate": simulate}
    return {"model": "gpt-5", "input": "Hello", "extra_headers": headers} | options


async def test_a_stream_adds_up_to_the_answer(client) -> None:
    simulate = "tokens=20,reasoning=5,searches=2"
    tools = [{"type": "web_search"}]
    whole = await client.responses.create(**asking(simulate, tools=tools))
    async with client.responses.stream(**asking(simulate, tools=tools)) as stream:
        built = await stream.get_final_response()

    assert whole.output_text == built.output_text
    assert (25, 5) == (
        built.usage.output_tokens,
        built.usage.output_tokens_details.reasoning_tokens,
    )
    assert ["web_search_call"] * 2 + ["reasoning", "message"] == [i.type for i in built.output]
    assert 2 == built.tool_usage.web_search.num_requests == whole.tool_usage.web_search.num_requests


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_reaches_its_length_is_incomplete(client, stream) -> None:
    answer = await client.responses.create(
        **asking("tokens=20", max_output_tokens=7, stream=stream)
    )
    if stream:
        answer = [event async for event in answer][-1].response

    assert ("incomplete", "max_output_tokens") == (answer.status, answer.incomplete_details.reason)
    assert 7 == answer.usage.output_tokens


async def test_it_needs_an_input(client) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model="gpt-5")

    assert "missing_required_parameter" == caught.value.code


async def test_it_names_the_tier_it_was_asked_for(client) -> None:
    answer = await client.responses.create(**asking(service_tier="priority"))

    assert "priority" == answer.service_tier
