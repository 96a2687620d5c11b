import pytest
from openai.types.create_embedding_response import Usage as ReportedUsage

from gateway.dialects.embeddings_usage import KNOWN, TOKENS_MAX, read_usage
from gateway.metering.usage import Usage


def test_all_of_it_is_input():
    assert Usage(input_uncached=8) == read_usage({"prompt_tokens": 8, "total_tokens": 8}).usage
    assert Usage(input_uncached=14) == read_usage({"total_tokens": 14}).usage
    assert Usage() == read_usage({"prompt_tokens": 0, "total_tokens": 0}).usage


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({"cached_tokens": 3}, 3),
        ({"cached_tokens": 8}, 8),
        ({"cached_tokens": 9}, 0),
        ({"cached_tokens": -1}, 0),
        ({"cached_tokens": True}, 0),
        ({"cached_tokens": None}, 0),
        (None, 0),
        ([1], 0),
    ],
)
def test_cached_tokens_are_inside_and_only_believed_when_they_fit(details, cached):
    usage = read_usage({"prompt_tokens": 8, "prompt_tokens_details": details}).usage

    assert Usage(input_uncached=8 - cached, input_cache_read=cached) == usage


@pytest.mark.parametrize(
    "reported",
    [
        None,
        {},
        [],
        "8",
        {"prompt_tokens": None},
        *({"prompt_tokens": bad} for bad in (-1, True, 1.5, "8", [], TOKENS_MAX + 1)),
    ],
)
def test_no_honest_number_means_not_reported(reported):
    assert None is read_usage(reported)


def test_every_documented_field_is_in_the_table():
    """Drift: a field the official package learns must be decided about."""
    assert set() == set(ReportedUsage.model_fields) - set(KNOWN)
