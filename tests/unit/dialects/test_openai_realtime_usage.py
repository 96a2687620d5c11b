import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import (
    RealtimeResponseUsage,
    RealtimeResponseUsageInputTokenDetails,
    RealtimeResponseUsageOutputTokenDetails,
)
from openai.types.realtime.conversation_item_input_audio_transcription_completed_event import (
    UsageTranscriptTextUsageDuration,
    UsageTranscriptTextUsageTokens,
    UsageTranscriptTextUsageTokensInputTokenDetails,
)
from openai.types.realtime.realtime_response_usage_input_token_details import CachedTokensDetails

from gateway.dialects import openai_realtime_usage
from gateway.dialects.openai_realtime_usage import read_response_usage, read_transcription_usage
from gateway.metering.usage import Usage

TOKENS = st.integers(-2, 200) | st.none() | st.booleans() | st.text(max_size=2)


def usage_of(**fields):
    read = read_response_usage(fields)
    return None if read is None else read.usage


def test_classes_are_disjoint_and_cached_parts_leave_their_own():
    usage = usage_of(
        input_tokens=100,
        output_tokens=50,
        input_token_details={
            "text_tokens": 30,
            "audio_tokens": 60,
            "image_tokens": 10,
            "cached_tokens": 45,
            "cached_tokens_details": {"text_tokens": 15, "audio_tokens": 25, "image_tokens": 5},
        },
        output_token_details={"text_tokens": 20, "audio_tokens": 30},
    )

    assert usage == Usage(
        input_uncached=15,
        input_cache_read=45,
        input_audio=35,
        input_image=5,
        output_text=20,
        output_audio=30,
    )


def test_cached_tokens_nobody_assigns_are_text_first():
    usage = usage_of(
        input_tokens=100,
        output_tokens=0,
        input_token_details={"audio_tokens": 90, "cached_tokens": 40},
    )

    assert Usage(input_cache_read=10, input_audio=90) == usage


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input_tokens": 5},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 5, "output_tokens": 1, "output_token_details": {"audio_tokens": 2}},
        {"input_tokens": 5, "output_tokens": 1, "input_token_details": {"audio_tokens": 6}},
    ],
)
def test_what_cannot_be_is_not_believed(fields):
    assert None is usage_of(**fields)


@given(
    total=st.integers(0, 300),
    out=st.integers(0, 300),
    heard=st.fixed_dictionaries(
        {},
        optional={
            "audio_tokens": TOKENS,
            "image_tokens": TOKENS,
            "cached_tokens": TOKENS,
            "cached_tokens_details": st.dictionaries(
                st.sampled_from(["text_tokens", "audio_tokens", "image_tokens"]), TOKENS
            )
            | TOKENS,
        },
    )
    | TOKENS,
    spoken=TOKENS,
)
def test_parts_sum_to_the_totals_and_none_is_negative(total, out, heard, spoken):
    usage = usage_of(
        input_tokens=total,
        output_tokens=out,
        input_token_details=heard,
        output_token_details={"audio_tokens": spoken},
    )

    if usage is not None:
        assert min(usage.in_order()) >= 0
        assert (total, out) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (
            {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 5,
                "input_token_details": {"audio_tokens": 10, "text_tokens": 4},
            },
            Usage(input_uncached=4, input_audio=10, output_text=5),
        ),
        ({"type": "duration", "seconds": 0.2}, Usage(pieces=(("audio_second", 1),))),
        ({"type": "duration", "seconds": 3}, Usage(pieces=(("audio_second", 3),))),
        ({"type": "duration", "seconds": -1}, None),
        ({"type": "duration", "seconds": 1e9}, None),
        ({"type": "tokens", "input_tokens": 3}, None),
        ([], None),
    ],
)
def test_transcriptions_report_tokens_or_seconds(reported, usage):
    read = read_transcription_usage(reported)

    assert usage == (None if read is None else read.usage)


@pytest.mark.parametrize("field", ["thinking_tokens", "input_token_details"])
def test_unknown_numbers_are_kept_and_change_no_total(field):
    more = {"video_tokens": 4} if field == "input_token_details" else 4
    read = read_response_usage({"input_tokens": 5, "output_tokens": 1, field: more})

    assert read is not None
    assert Usage(input_uncached=5, output_text=1) == read.usage
    assert [4] == list(read.unmapped.values())


def test_every_count_field_of_the_sdk_is_named_in_the_tables():
    known = openai_realtime_usage.KNOWN_RESPONSE
    heard = known["input_token_details"]

    assert set(RealtimeResponseUsage.model_fields) == set(known)
    assert set(RealtimeResponseUsageInputTokenDetails.model_fields) == set(heard)
    assert set(CachedTokensDetails.model_fields) == set(heard["cached_tokens_details"])
    assert set(RealtimeResponseUsageOutputTokenDetails.model_fields) == set(
        known["output_token_details"]
    )


def test_every_count_field_of_a_transcription_is_named_in_the_tables():
    known = openai_realtime_usage.KNOWN_TRANSCRIPTION
    fields = {
        *UsageTranscriptTextUsageTokens.model_fields,
        *UsageTranscriptTextUsageDuration.model_fields,
    }

    assert fields - {"type"} == set(known)
    assert set(UsageTranscriptTextUsageTokensInputTokenDetails.model_fields) == set(
        known["input_token_details"]
    )
