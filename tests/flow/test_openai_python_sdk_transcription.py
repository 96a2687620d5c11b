"""Transcriptions through the official SDK, in all formats: by the second, or by the token."""

from pathlib import Path

import openai
import pytest
from support.gateways import running_gateway
from support.python_sdk import gateway_and_sdk, used

from gateway.simulator.media import wav

# Prices of the tests' gateways: whisper-1 at 10 000 µcr a second (0.006 US$ a minute);
# gpt-4o-transcribe at 250 for text in, 600 for sound in and 1 000 for text out, a token.
# A little more than seven seconds.
SOUND = ("talk.wav", wav(7.2), "audio/wav")
JUNK = ("junk.mp3", b"\xff" * 1_500_000, "audio/mpeg")
FORMATS = ("json", "verbose_json", "text", "srt", "vtt")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("response_format", FORMATS)
@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
async def test_whisper_is_charged_by_the_second_in_every_format(
    tmp_path: Path, store_url: str, kind, response_format
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await getattr(sdk.audio, kind).create(
            model="whisper-1", file=SOUND, response_format=response_format
        )

        entry = tk.provider.journal.entries[-1]
        assert entry.texts[0] in (answer if isinstance(answer, str) else answer.text)
        assert SOUND[1] in entry.body
        assert 80_000 == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        told = "json" in response_format
        assert {"audio_second": 8} == {
            name: count for name, count in used(event).items() if name == "audio_second"
        }
        assert ("reported" if told else "counted") == event["provenance"]
        assert 80_000 == event["held_ucr"]


async def test_tokens_are_charged_as_reported(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND, prompt="About toll roads, at length."
        )

        assert "tokens" == answer.usage.type
        details = answer.usage.input_token_details
        assert details.text_tokens * 250 + 72 * 600 + 22 * 1_000 == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert {
            "input_uncached": details.text_tokens,
            "input_audio": 72,
            "output_text": 22,
        } == used(event)


async def test_a_stream_is_charged_by_its_last_event(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND, stream=True
        )
        events = [event async for event in stream]

        assert "".join(event.delta for event in events[:-1]) == events[-1].text
        await tk.settled()
        [event] = await tk.events()
        assert {"input_audio": 72, "output_text": 22} == used(event)
        assert ("reported", True) == (event["provenance"], event["stream"])


@pytest.mark.parametrize("options", [{}, {"stream": True}, {"response_format": "text"}])
async def test_without_a_reported_usage_sound_and_text_are_counted(
    tmp_path: Path, store_url: str, options
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=SOUND,
            extra_headers={"x-simulate": "no_usage"},
            **options,
        )
        if options.get("stream"):
            assert 23 == len([event async for event in answer])

        await tk.settled()
        [event] = await tk.events()
        counted = used(event)
        # Each second that was begun, and the framing of the prompt.
        assert (80, 32) == (counted["input_audio"], counted["input_uncached"])
        assert 22 <= counted["output_text"] <= 23
        assert "counted" == event["provenance"]


async def test_a_client_that_leaves_pays_for_what_was_heard_and_what_it_saw(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=SOUND,
            stream=True,
            extra_headers={"x-simulate": "delay_ms=80"},
        )
        async for _ in stream:
            break
        await stream.close()

        await tk.settled(charged=bool)
        [event] = await tk.events()
        assert ("client_left", 80) == (event["end"], used(event)["input_audio"])
        assert 1 <= used(event)["output_text"] < 22


async def test_a_file_is_held_by_its_length_and_not_by_what_it_claims(
    tmp_path: Path, store_url: str
) -> None:
    """Half a credit pays for fifty seconds of whisper, not for sixty."""
    long = ("long.wav", wav(60, stated_bytes=0xFFFFFFFF), "audio/wav")
    async with gateway_and_sdk(tmp_path, store_url, credit=0.5) as (tk, sdk):
        with pytest.raises(openai.RateLimitError, match=r"needs 0\.600000 credits"):
            await sdk.audio.transcriptions.create(model="whisper-1", file=long)

        assert [] == list(tk.provider.journal.entries)


async def test_a_file_that_is_no_sound_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.BadRequestError, match="understands WAV only"):
            await sdk.audio.transcriptions.create(model="whisper-1", file=JUNK)

        assert 0 == (await tk.settled()).charged_ucr


async def test_a_file_that_cannot_be_read_is_bounded_by_its_size(
    tmp_path: Path, store_url: str
) -> None:
    """1.5 MB at 6 kbit/s are 2 000 seconds."""
    async with gateway_and_sdk(tmp_path, store_url, credit=1) as (tk, sdk):
        with pytest.raises(openai.RateLimitError, match=r"needs 20\.000000 credits"):
            await sdk.audio.transcriptions.create(model="whisper-1", file=JUNK)

        assert [] == list(tk.provider.journal.entries)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.replace(b"model", b"other"), "model must be given"),
        (lambda body: body.replace(b'name="file"', b'name="sound"'), "file must be given"),
        (lambda body: body.replace(b"--b0--", b"--b1--"), "cannot be read"),
        (lambda body: body.replace(b"whisper-1", b"whisper-1\r\n--b0\r\n" + MODEL), "once"),
    ],
)
async def test_a_form_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, store_url: str, change, message
) -> None:
    body = (
        b'--b0\r\n%b\r\n--b0\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a.wav"\r\n\r\n%b\r\n--b0--\r\n' % (MODEL, wav(1))
    )
    async with running_gateway(tmp_path, store_url) as tk:
        headers = {
            "Authorization": f"Bearer {tk.key}",
            "Content-Type": "multipart/form-data; boundary=b0",
        }
        url = f"{tk.base_url}/audio/transcriptions"
        async with tk.http.post(url, data=change(body), headers=headers) as refused:
            assert 400 == refused.status
            assert message in (await refused.json())["error"]["message"]
        async with tk.http.post(url, data=body, headers=headers) as answer:
            assert 200 == answer.status

        [entry] = tk.provider.journal.entries
        assert body == entry.body


MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1'
