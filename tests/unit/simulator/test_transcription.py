"""Transcriptions of the simulated provider: all formats, and what it heard."""

from collections.abc import AsyncIterator

import openai
import pytest

from gateway.simulator.media import wav
from gateway.simulator.provider import SimulatedProvider

SOUND = ("a.wav", wav(2.5), "audio/wav")


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


async def test_what_it_heard_stands_in_the_journal(sdk, provider) -> None:
    answer = await sdk.audio.transcriptions.create(model="whisper-1", file=SOUND)

    assert 3 == answer.usage.seconds
    assert {"audio_second": 3} == provider.journal.entries[-1].made
    assert [answer.text] == provider.journal.entries[-1].texts


@pytest.mark.parametrize(
    ("response_format", "begins"), [("text", ""), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT\n")]
)
async def test_plain_formats_are_text(sdk, response_format, begins) -> None:
    answer = await sdk.audio.transcriptions.create(
        model="whisper-1", file=SOUND, response_format=response_format
    )

    assert answer.startswith(begins)
    assert answer.endswith("\n")


async def test_a_stream_says_all_of_it_again_at_its_end(sdk) -> None:
    stream = await sdk.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=SOUND, stream=True
    )
    events = [event async for event in stream]

    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert 25 == events[-1].usage.input_token_details.audio_tokens


async def test_other_files_are_refused(sdk) -> None:
    with pytest.raises(openai.BadRequestError, match="understands WAV only"):
        await sdk.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"\xff\xfb"))
