import pytest
from openai.types.audio import transcription, transcription_text_done_event

from gateway.dialects.openai_transcription_usage import (
    KNOWN,
    TOKENS_MAX,
    read_seconds,
    read_tokens,
)
from gateway.metering.usage import Usage


def tokens(heard=42, said=9, **details):
    return {"usage": {"input_tokens": heard, "output_tokens": said, "input_token_details": details}}


def seconds(answer):
    found = read_seconds(answer)
    return found and dict(found.usage.pieces)["audio_second"]


def test_what_is_no_text_was_heard():
    assert (
        Usage(input_uncached=12, input_audio=30, output_text=9)
        == read_tokens(tokens(text_tokens=12, audio_tokens=30)).usage
    )
    assert Usage(input_audio=42, output_text=9) == read_tokens(tokens()).usage
    assert Usage() == read_tokens(tokens(0, 0)).usage


@pytest.mark.parametrize("bad", [None, -1, True, 1.5, "5", [], TOKENS_MAX + 1])
def test_no_honest_number_means_not_reported(bad):
    assert None is read_tokens(tokens(heard=bad))
    assert None is read_tokens(tokens(said=bad))
    assert None is read_tokens({"usage": bad})
    # A part that is not told believably is none.
    assert 42 == read_tokens(tokens(text_tokens=bad)).usage.input_audio


def test_a_part_larger_than_the_whole_is_not_believed():
    assert None is read_tokens(tokens(text_tokens=43))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"usage": {"type": "duration", "seconds": 3}}, 3),
        ({"usage": {"type": "duration", "seconds": 3.01}, "duration": 99}, 4),
        ({"usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4}}, 203),
        ({"duration": 8.47}, 9),
        ({"duration": 0.01}, 1),
        ({"duration": 8.47, "usage": {"type": "tokens", "input_tokens": 5}}, 9),
    ],
)
def test_seconds_are_billed_whole(answer, told):
    assert told == seconds(answer)


@pytest.mark.parametrize("bad", [None, 0, -1, True, "8", [], 86_401, 1e300])
def test_no_honest_seconds_mean_not_reported(bad):
    assert None is seconds({"duration": bad})
    assert None is seconds({"usage": {"seconds": bad}})


def test_what_no_table_names_is_kept_apart():
    usage = {"seconds": 5, "frames": 7, "input_token_details": {"video_tokens": 2}}

    assert {"frames": 7, "input_token_details.video_tokens": 2} == read_seconds(
        {"usage": usage}
    ).unmapped


def test_every_documented_field_is_in_the_table():
    """Drift: a field the official package learns must be decided about."""
    for model in (
        transcription.UsageTokens,
        transcription.UsageDuration,
        transcription_text_done_event.Usage,
    ):
        assert set() == set(model.model_fields) - set(KNOWN)
    details = transcription.UsageTokensInputTokenDetails.model_fields
    assert set() == set(details) - set(KNOWN["input_token_details"])
