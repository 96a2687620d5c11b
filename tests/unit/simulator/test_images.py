"""Pictures of the simulated provider: in the shapes of the real ones, and in its journal."""

from collections.abc import AsyncIterator

import openai
import pytest

from gateway.simulator.media import png
from gateway.simulator.provider import SimulatedProvider

PICTURE = ("a.png", png(8, 8, grey=1), "image/png")


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    simulated = SimulatedProvider()
    yield simulated
    await simulated.stop()


@pytest.fixture
async def sdk(provider) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"http://127.0.0.1:{await provider.start()}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk", max_retries=0) as client:
        yield client


async def test_a_stream_shows_previews_and_reports_once(sdk, provider) -> None:
    stream = await sdk.images.generate(
        model="gpt-image-1", prompt="x", quality="low", stream=True, partial_images=1
    )
    events = [event async for event in stream]

    assert ["image_generation.partial_image", "image_generation.completed"] == [
        event.type for event in events
    ]
    assert 372 == events[1].usage.output_tokens
    assert {"preview": 1, "image": 1} == provider.journal.entries[-1].made
    assert 372 == provider.journal.entries[-1].tokens


async def test_a_form_is_read_as_it_was_sent(sdk, provider) -> None:
    answer = await sdk.images.edit(model="gpt-image-1", image=[PICTURE, PICTURE], prompt="x", n=2)

    assert 2 == len(answer.data)
    assert 2 * 194 == answer.usage.input_tokens_details.image_tokens
    assert "gpt-image-1" == provider.journal.entries[-1].model


async def test_others_are_sold_by_the_picture_and_report_nothing(sdk) -> None:
    answer = await sdk.images.generate(model="dall-e-3", prompt="x")

    assert None is answer.usage
    assert answer.data[0].url.startswith("data:image/png")


async def test_what_cannot_be_counted_is_refused(sdk) -> None:
    with pytest.raises(openai.BadRequestError, match="'n'"):
        await sdk.images.generate(model="dall-e-3", prompt="x", n="two")
