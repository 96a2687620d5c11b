import pytest
from openai.types.completion_usage import (
    CompletionTokensDetails,
    CompletionUsage,
    PromptTokensDetails,
)

from gateway.dialects import openai_usage
from gateway.dialects.openai_usage import KNOWN, TIERS, TOKENS_MAX, service_tier, write_usage
from gateway.metering.pieces import SERVICE_TIERS
from gateway.metering.usage import Usage


def read_usage(value):
    read = openai_usage.read_usage(value)
    return None if read is None else read.usage


def reported(prompt=100, completion=50, *, heard=None, said=None, **more):
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": heard,
        "completion_tokens_details": said,
    } | more


def test_classes_are_disjoint_and_add_up_to_the_totals():
    usage = read_usage(
        reported(
            heard={"cached_tokens": 30, "cache_write_tokens": 20, "audio_tokens": 10},
            said={"reasoning_tokens": 15, "audio_tokens": 5, "rejected_prediction_tokens": 3},
        )
    )

    assert usage == Usage(
        input_uncached=40,
        input_cache_read=30,
        input_cache_write_5m=20,
        input_audio=10,
        output_text=30,
        output_reasoning=15,
        output_audio=5,
    )
    assert (100, 50) == (usage.input_tokens, usage.output_tokens)


def test_overlapping_parts_never_change_the_totals():
    """Cached audio is reported as cached and as audio: the dearer class keeps it."""
    usage = read_usage(
        reported(
            heard={"cached_tokens": 90, "cache_write_tokens": 60, "audio_tokens": 80},
            said={"reasoning_tokens": 40, "audio_tokens": 30},
        )
    )

    assert {
        "input_audio": 80,
        "input_cache_write_5m": 20,
        "output_audio": 30,
        "output_reasoning": 20,
    } == usage.nonzero()


@pytest.mark.parametrize(
    ("fields", "cached"),
    [
        ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, 64),
        ({"prompt_cache_hit_tokens": 64, "heard": {"cached_tokens": 32}}, 32),
        ({"prompt_cache_hit_tokens": 64, "heard": {"cached_tokens": 0}}, 0),
        ({"prompt_cache_hit_tokens": 64, "heard": {"cached_tokens": None}}, 64),
    ],
)
def test_deepseeks_cache_field_counts_when_openais_is_missing(fields, cached):
    assert cached == read_usage(reported(**fields)).input_cache_read


def test_reasoning_beside_the_completion_is_added():
    said = {"reasoning_tokens": 200}
    usage = read_usage(reported(said=said, total_tokens=350))

    assert (50, 200) == (usage.output_text, usage.output_reasoning)


def test_reasoning_inside_the_completion_is_not_added():
    usage = read_usage(reported(said={"reasoning_tokens": 20}, total_tokens=150))

    assert (30, 20) == (usage.output_text, usage.output_reasoning)


def test_zero_differs_from_missing():
    assert Usage() == read_usage(reported(0, 0))
    assert None is read_usage({})
    assert None is read_usage(None)
    assert None is read_usage({"prompt_tokens": 5})
    assert None is read_usage({"completion_tokens": 5})


@pytest.mark.parametrize("bad", [-1, True, 1.0, 1e30, "5", [], {}, TOKENS_MAX + 1])
@pytest.mark.parametrize(
    "place",
    [
        lambda bad: reported(prompt=bad),
        lambda bad: reported(completion=bad),
        lambda bad: reported(heard={"cached_tokens": bad}),
        lambda bad: reported(heard={"cache_write_tokens": bad}),
        lambda bad: reported(heard={"audio_tokens": bad}),
        lambda bad: reported(said={"reasoning_tokens": bad}),
        lambda bad: reported(said={"audio_tokens": bad}),
        lambda bad: reported(prompt_cache_hit_tokens=bad),
    ],
    ids=["prompt", "completion", "cached", "written", "heard", "reasoning", "spoken", "deepseek"],
)
def test_no_honest_number_means_not_reported(bad, place):
    assert None is read_usage(place(bad))


@pytest.mark.parametrize(
    "usage",
    [
        reported(heard={"cached_tokens": 101}),
        reported(heard={"cache_write_tokens": 101}),
        reported(heard={"audio_tokens": 101}),
        reported(said={"reasoning_tokens": 51}),
        reported(said={"audio_tokens": 51}),
        reported(prompt_cache_hit_tokens=101),
        reported(heard=[1]),
        reported(said="x"),
        [1],
        "x",
    ],
)
def test_parts_larger_than_the_whole_and_other_shapes_are_not_reported(usage):
    assert None is read_usage(usage)


def test_unknown_fields_never_change_the_totals():
    known = reported(heard={"cached_tokens": 5}, said={})
    unknown = reported(
        heard={"cached_tokens": 5, "video_tokens": 999}, said={"thought_tokens": 9}, cost=0.5
    )

    assert read_usage(known) == read_usage(unknown)


def test_every_documented_field_is_mapped_or_named_as_ignored():
    """Drift: a field the official package learns must be decided about in the table."""
    documented = {
        "": CompletionUsage,
        "completion_tokens_details": CompletionTokensDetails,
        "prompt_tokens_details": PromptTokensDetails,
    }

    for name, model in documented.items():
        assert set() == set(model.model_fields) - set(KNOWN[name] if name else KNOWN)


@pytest.mark.parametrize(
    ("name", "before"),
    [("num_cached_tokens", {}), ("cached_tokens", {"heard": {"audio_tokens": 0}})],
)
def test_other_vendors_cache_fields_count_when_openais_is_missing(name, before):
    assert 64 == read_usage(reported(**before, **{name: 64})).input_cache_read


def test_what_was_painted_is_a_class_of_its_own():
    said = {"image_tokens": 40, "reasoning_tokens": 20}

    assert {"input_uncached": 100, "output_image": 40, "output_reasoning": 10} == read_usage(
        reported(said=said)
    ).nonzero()


def test_thinking_that_only_the_total_shows_is_added():
    """Gemini's OpenAI endpoint."""
    usage = read_usage({"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 215})

    assert (10, 200) == (usage.output_text, usage.output_reasoning)


@pytest.mark.parametrize("total", [149, 150, 151, True, "400", -1, TOKENS_MAX + 1])
def test_a_total_that_says_something_else_changes_nothing(total):
    usage = read_usage(reported(said={"reasoning_tokens": 20}, total_tokens=total))

    assert (30, 20) == (usage.output_text, usage.output_reasoning)


def test_what_is_sold_by_the_piece_is_counted_beside_the_tokens():
    usage = read_usage(reported(prompt_audio_seconds=7, server_tool_use={"web_search_requests": 2}))

    assert (("audio_second", 7), ("web_search", 2)) == usage.pieces
    assert 150 == usage.total_tokens


def test_mistrals_empty_object_is_no_second():
    assert () == read_usage(reported(prompt_audio_seconds={})).pieces


def test_what_a_vendor_says_it_charged_is_kept_beside_the_usage():
    cost = {"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}, "is_byok": False}

    assert {"cost": 0.95, "cost_details.upstream_inference_cost": 19} == dict(
        openai_usage.read_usage(reported(**cost, queue_time=0.1)).unmapped
    )


@pytest.mark.parametrize(
    ("named", "tier"),
    [("auto", ""), ("default", ""), ("on_demand", ""), ("fast", "priority"), ("flex", "flex")]
    + [(odd, "") for odd in (None, 5, [], {})],
)
def test_only_tiers_with_a_price_of_their_own_are_named(named, tier):
    assert tier == service_tier({"service_tier": named})
    assert "" == service_tier({})


def test_all_tiers_are_known_to_the_rate_card():
    assert set() == set(TIERS.values()) - SERVICE_TIERS


def test_what_we_write_is_read_back_and_is_what_the_sdk_expects():
    usage = Usage(
        input_uncached=5, input_cache_read=4, input_audio=3, output_text=2, output_reasoning=1
    )
    written = write_usage(usage)

    assert usage == read_usage(written)
    assert 15 == CompletionUsage.model_validate(written).total_tokens
