import pytest

from gateway.dialects.openai_speech_usage import TOKENS_MAX, read_usage
from gateway.metering.usage import Usage


def test_text_in_sound_out():
    reported = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}

    assert Usage(input_uncached=5, output_audio=100) == read_usage(reported).usage
    assert {} == read_usage(reported).unmapped
    assert {"seconds": 5} == read_usage(reported | {"seconds": 5}).unmapped


@pytest.mark.parametrize("bad", [None, -1, True, 1.5, "5", TOKENS_MAX + 1])
def test_no_honest_number_means_not_reported(bad):
    assert None is read_usage({"input_tokens": bad, "output_tokens": 1})
    assert None is read_usage({"input_tokens": 1, "output_tokens": bad})
    assert None is read_usage(bad)
