"""Speech of the simulated provider: real sound of the right length, and its journal."""

import io
import wave

import aiohttp
import orjson
import pytest

from gateway.simulator.provider import SimulatedProvider

BODY = {"model": "tts-1", "input": "x" * 30, "voice": "alloy"}


@pytest.fixture
async def provider():
    simulated = SimulatedProvider()
    yield simulated
    await simulated.stop()


async def spoken(provider, **fields: object) -> tuple[str, bytes]:
    port = await provider.start()
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk"}) as session:
        url = f"http://127.0.0.1:{port}/v1/audio/speech"
        async with session.post(url, json=BODY | fields) as answer:
            return answer.headers["Content-Type"], await answer.read()


async def test_sound_is_as_long_as_its_text(provider) -> None:
    content_type, sound = await spoken(provider, response_format="wav")

    assert "audio/wav" == content_type
    with wave.open(io.BytesIO(sound)) as read:
        assert 2 * 24_000 == len(read.readframes(10**6)) // 2
    assert (40, {"character": 30}) == (
        provider.journal.entries[-1].tokens,
        provider.journal.entries[-1].made,
    )


async def test_events_carry_the_same_sound_and_report_it(provider) -> None:
    content_type, stream = await spoken(provider, response_format="pcm", stream_format="sse")
    events = [orjson.loads(line[6:]) for line in stream.split(b"\n\n") if line]

    assert content_type.startswith("text/event-stream")
    assert {"speech.audio.delta"} == {event["type"] for event in events[:-1]}
    assert 40 == events[-1]["usage"]["output_tokens"]


async def test_kinds_it_cannot_make_are_refused(provider) -> None:
    _, body = await spoken(provider, response_format="opus")

    assert "mp3, wav and pcm only" in orjson.loads(body)["error"]["message"]
