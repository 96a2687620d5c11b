import pytest
from openai.types.responses import response_usage
from openai.types.responses.response import ToolUsage

from gateway.dialects.openai_responses_usage import (
    KNOWN,
    SEARCHES_MAX,
    read_response,
    write_usage,
)
from gateway.dialects.openai_usage import TOKENS_MAX
from gateway.metering.usage import Usage

SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}


def told(given=100, made=50, *, heard=None, said=None, response=None, **more):
    usage = {
        "input_tokens": given,
        "output_tokens": made,
        "input_tokens_details": heard,
        "output_tokens_details": said,
    } | more
    return {"usage": usage} | (response or {})


def read(response):
    reported = read_response(response, request={})
    return None if reported is None else reported.usage


def test_classes_are_disjoint_and_add_up_to_the_totals():
    lifetimes = {"ttl_12h_tokens": 5, "ttl_30m_tokens": 15}
    heard = {
        "cached_tokens": 30,
        "cache_write_tokens": 20,
        "cache_write_tokens_details": lifetimes,
    }
    usage = read(told(heard=heard, said={"reasoning_tokens": 15}))

    assert usage == Usage(
        input_uncached=50,
        input_cache_read=30,
        input_cache_write_5m=15,
        input_cache_write_1h=5,
        output_text=35,
        output_reasoning=15,
    )
    assert (100, 50) == (usage.input_tokens, usage.output_tokens)


def test_overlapping_parts_never_change_the_totals():
    usage = read(told(heard={"cached_tokens": 90, "cache_write_tokens": 60}))

    assert {"input_cache_read": 40, "input_cache_write_5m": 60, "output_text": 50} == (
        usage.nonzero()
    )


def test_zero_differs_from_missing():
    assert Usage() == read(told(0, 0))
    assert None is read({})
    assert None is read({"usage": None})
    assert None is read({"usage": {"input_tokens": 5}})
    assert None is read({"usage": {"output_tokens": 5}})


@pytest.mark.parametrize("bad", [-1, True, 1.0, "5", [], TOKENS_MAX + 1])
@pytest.mark.parametrize(
    "place",
    [
        lambda bad: told(given=bad),
        lambda bad: told(made=bad),
        lambda bad: told(heard={"cached_tokens": bad}),
        lambda bad: told(heard={"cache_write_tokens": bad}),
        lambda bad: told(heard={"cache_write_tokens_details": {"ttl_12h_tokens": bad}}),
        lambda bad: told(said={"reasoning_tokens": bad}),
        lambda bad: told(response={"tool_usage": {"web_search": {"num_requests": bad}}}),
    ],
    ids=["input", "output", "cached", "written", "longer", "reasoning", "searches"],
)
def test_no_honest_number_means_not_reported(bad, place):
    assert None is read(place(bad))


@pytest.mark.parametrize(
    "odd",
    [
        told(heard={"cached_tokens": 101}),
        told(said={"reasoning_tokens": 51}),
        told(heard=[1]),
        told(said="x"),
        told(response={"tool_usage": [1]}),
        told(response={"tool_usage": {"web_search": 5}}),
        told(response={"tool_usage": {"web_search": {"num_requests": SEARCHES_MAX + 1}}}),
    ],
)
def test_parts_larger_than_the_whole_and_other_shapes_are_not_reported(odd):
    assert None is read(odd)


def test_the_vendors_own_count_of_searches_stands():
    three = {"output": [SEARCH, SEARCH, SEARCH]}

    assert (("web_search", 3),) == read(told(response=three)).pieces
    for counted, pieces in ((5, (("web_search", 5),)), (0, ())):
        own = {"tool_usage": {"web_search": {"num_requests": counted}}}
        assert pieces == read(told(response=three | own)).pieces


def test_unknown_fields_never_change_the_totals_and_are_kept():
    more = {"cost": 0.5, "input_tokens_details": {"cached_tokens": 5, "video_tokens": 9}}
    reported = read_response(told(**more), request={})

    assert read(told(heard={"cached_tokens": 5})) == reported.usage
    assert {"cost": 0.5, "input_tokens_details.video_tokens": 9} == dict(reported.unmapped)


@pytest.mark.parametrize("tier", ["priority", "flex"])
def test_the_tier_that_served_is_told(tier):
    assert tier == read(told(response={"service_tier": tier})).service_tier
    assert "" == read(told(response={"service_tier": "default"})).service_tier


def test_every_documented_field_is_mapped_or_named_as_ignored():
    """Drift: a field the official package learns must be decided about in the table."""
    written = KNOWN["input_tokens_details"]["cache_write_tokens_details"]
    for model, known in (
        (response_usage.ResponseUsage, KNOWN),
        (response_usage.InputTokensDetails, KNOWN["input_tokens_details"]),
        (response_usage.InputTokensDetailsCacheWriteTokensDetails, written),
        (response_usage.OutputTokensDetails, KNOWN["output_tokens_details"]),
    ):
        assert set() == set(model.model_fields) - set(known)
    # What pictures took is kept as unmapped; what else tools may tell has to be decided about.
    assert {"image_gen", "web_search"} == set(ToolUsage.model_fields)


def test_what_we_write_is_read_back_and_is_what_the_sdk_expects():
    usage = Usage(
        input_uncached=5,
        input_cache_read=4,
        input_cache_write_5m=3,
        output_text=2,
        output_reasoning=1,
    )
    written = write_usage(usage)

    assert usage == read({"usage": written})
    assert 15 == response_usage.ResponseUsage.model_validate(written).total_tokens
