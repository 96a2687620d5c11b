import pytest

from gateway.dialects.bedrock_usage import read_metrics
from gateway.metering.usage import Usage

ALL = {
    "inputTokenCount": 3,
    "cacheReadInputTokenCount": 25_000,
    "cacheWriteInputTokenCount": 2_000,
    "outputTokenCount": 13,
    "invocationLatency": 3_037,
    "firstByteLatency": 2_635,
}


def test_every_count_has_its_class_and_latencies_have_none():
    reported = read_metrics(ALL)

    assert reported is not None
    assert {} == reported.unmapped
    assert (
        Usage(
            input_uncached=3,
            input_cache_read=25_000,
            input_cache_write_5m=2_000,
            output_text=13,
        )
        == reported.usage
    )


def test_a_number_that_is_not_known_is_kept_and_not_charged():
    reported = read_metrics(ALL | {"imageCount": 2})

    assert reported is not None
    assert {"imageCount": 2} == reported.unmapped
    assert ALL["outputTokenCount"] == reported.usage.output_tokens


@pytest.mark.parametrize(
    "metrics",
    [None, 7, [], {}, {"inputTokenCount": 3}, ALL | {"outputTokenCount": -1}],
)
def test_what_is_not_stated_believably_is_not_reported(metrics):
    assert None is read_metrics(metrics)
