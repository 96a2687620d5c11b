"""Speech through the official SDK: by the character or the token; whole, streamed, left early."""

from pathlib import Path

import openai
import pytest
from support.gateways import MODEL
from support.python_sdk import gateway_and_sdk, provider_sdk, used

SELLS = {
    # 1 500 µcr a character: 15 US$ a million.
    "tts-1": '{pieces: {character: "0.000015"}}',
    # Text 60, sound 1 200 µcr a token.
    "gpt-4o-mini-tts": '{input: "0.6", output: "12", max_output_tokens: 16384}',
}
TEXT = "The toll road ends at the river, and nobody pays beyond it. 道路"
ASK = {"voice": "alloy", "input": TEXT}
SECONDS = len(TEXT) / 15


@pytest.mark.parametrize("response_format", ["mp3", "wav", "pcm"])
async def test_speech_by_the_character_is_charged_by_its_input(
    tmp_path: Path, store_url: str, response_format
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        options = {"model": "tts-1", "response_format": response_format, **ASK}
        through = await sdk.audio.speech.create(**options)
        direct = await provider_sdk(tk, sdk).audio.speech.create(**options)

        assert through.content == direct.content
        assert through.response.headers["content-type"] == direct.response.headers["content-type"]
        assert 1_500 * len(TEXT) == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert ({"character": len(TEXT)}, "counted") == (used(event), event["provenance"])
        assert event["charge_ucr"] == event["held_ucr"]


@pytest.mark.parametrize("response_format", ["mp3", "wav", "pcm"])
async def test_speech_by_the_token_is_counted_by_its_length(
    tmp_path: Path, store_url: str, response_format
) -> None:
    """A token for each 50 ms; the formats' frames round it up a little."""
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        answer = await sdk.audio.speech.create(
            model="gpt-4o-mini-tts", response_format=response_format, instructions="Slowly.", **ASK
        )

        assert answer.content
        found = await tk.settled()
        [event] = await tk.events()
        tokens = used(event)
        assert SECONDS * 20 <= tokens["output_audio"] <= SECONDS * 20 + 2
        assert found.charged_ucr == tokens["input_uncached"] * 60 + tokens["output_audio"] * 1_200
        assert "counted" == event["provenance"]


async def test_events_report_what_is_charged(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        answer = await sdk.audio.speech.create(model="gpt-4o-mini-tts", stream_format="sse", **ASK)

        assert b"speech.audio.done" in answer.content
        entry = tk.provider.journal.entries[-1]
        await tk.settled()
        [event] = await tk.events()
        assert {"input_uncached": entry.prompt_tokens, "output_audio": entry.tokens} == used(event)
        assert ("reported", True) == (event["provenance"], event["stream"])


async def test_sound_is_relayed_as_it_comes(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        async with sdk.audio.speech.with_streaming_response.create(
            model="tts-1", extra_headers={"x-simulate": "delay_ms=40"}, **ASK
        ) as answer:
            running = [
                tk.provider.journal.entries[-1].departure
                async for _ in answer.iter_bytes(chunk_size=500)
            ]

        assert "running" == running[0]
        assert len(running) > 10


async def test_a_client_that_leaves_pays_for_all_characters(tmp_path: Path, store_url: str) -> None:
    """The vendor bills the whole input, however much of the answer was heard."""
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        await leave_early(sdk, "tts-1")

        assert 1_500 * len(TEXT) == (await tk.settled(charged=bool)).charged_ucr
        [event] = await tk.events()
        assert "client_left" == event["end"]


async def test_a_client_that_leaves_pays_for_the_sound_that_was_relayed(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        await leave_early(sdk, "gpt-4o-mini-tts")

        await tk.settled(charged=bool)
        [event] = await tk.events()
        assert ("client_left", "counted") == (event["end"], event["provenance"])
        assert 0 < used(event)["output_audio"] <= tk.provider.journal.entries[-1].tokens + 1
        assert used(event)["output_audio"] < SECONDS * 20


async def test_a_provider_that_breaks_off_is_owed_what_came(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        with pytest.raises(openai.APIConnectionError):
            await sdk.audio.speech.create(
                model="gpt-4o-mini-tts",
                response_format="pcm",
                extra_headers={"x-simulate": "fail=close_after:6,delay_ms=10"},
                **ASK,
            )

        await tk.settled(charged=bool)
        [event] = await tk.events()
        assert ("upstream_failed", "counted") == (event["end"], event["provenance"])
        assert tk.provider.journal.entries[-1].tokens == used(event)["output_audio"]


async def leave_early(sdk, model: str) -> None:
    async with sdk.audio.speech.with_streaming_response.create(
        model=model, extra_headers={"x-simulate": "delay_ms=60"}, **ASK
    ) as answer:
        async for _ in answer.iter_bytes(chunk_size=500):
            break


async def test_speech_cannot_be_had_from_a_model_of_another_kind_for_nothing(
    tmp_path: Path, store_url: str
) -> None:
    """A model sold by the token is charged by the token, here as anywhere."""
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        await sdk.audio.speech.create(model=MODEL, **ASK)

        assert 0 < (await tk.settled()).charged_ucr
