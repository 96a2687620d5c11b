import pytest
from openai.types import images_response
from openai.types.image_gen_completed_event import Usage as CompletedUsage

from gateway.dialects.openai_images_usage import KNOWN, SVG_KNOWN, TOKENS_MAX, read_usage
from gateway.metering.usage import Usage


def reported(given=100, made=272, *, seen=None, said=None, **more):
    return {
        "input_tokens": given,
        "output_tokens": made,
        "input_tokens_details": seen,
        "output_tokens_details": said,
    } | more


@pytest.mark.parametrize(
    ("seen", "said", "classes"),
    [
        (None, None, {"input_uncached": 100, "output_image": 272}),
        (
            {"text_tokens": 60, "image_tokens": 40},
            {"image_tokens": 200, "text_tokens": 72},
            {"input_uncached": 60, "input_image": 40, "output_image": 200, "output_text": 72},
        ),
        (
            {"image_tokens": 40, "cached_tokens": 50},
            None,
            {"input_uncached": 10, "input_image": 40, "input_cache_read": 50, "output_image": 272},
        ),
        # More than the text: pictures were cached as well.
        (
            {"image_tokens": 40, "cached_tokens": 70},
            None,
            {"input_image": 30, "input_cache_read": 70, "output_image": 272},
        ),
        (
            {"image_tokens": 100, "cached_tokens": 100},
            None,
            {"input_cache_read": 100, "output_image": 272},
        ),
    ],
)
def test_classes_are_disjoint_and_add_up(seen, said, classes):
    usage = read_usage(reported(seen=seen, said=said)).usage

    assert classes == usage.nonzero()
    assert (100, 272) == (usage.input_tokens, usage.output_tokens)


def test_the_model_that_draws_svg_comes_on_top():
    svg = {"model": "gpt-6-luna", "input_tokens": 10, "output_tokens": 30, "reasoning_tokens": 20}

    usage = read_usage(reported(), svg).usage

    assert (110, 302) == (usage.input_tokens, usage.output_tokens)
    assert (10, 20) == (usage.output_text, usage.output_reasoning)


def test_zero_differs_from_missing():
    assert Usage() == read_usage(reported(0, 0)).usage
    for missing in (None, {}, [], "x", {"input_tokens": 5}, {"output_tokens": 5}):
        assert None is read_usage(missing)


@pytest.mark.parametrize("bad", [-1, True, 1.5, "5", [], {}, TOKENS_MAX + 1])
@pytest.mark.parametrize(
    "place",
    [
        lambda bad: (reported(given=bad),),
        lambda bad: (reported(made=bad),),
        lambda bad: (reported(seen={"image_tokens": bad}),),
        lambda bad: (reported(seen={"cached_tokens": bad}),),
        lambda bad: (reported(said={"text_tokens": bad}),),
        lambda bad: (reported(), {"output_tokens": bad}),
        lambda bad: (reported(), {"output_tokens": 5, "reasoning_tokens": bad}),
    ],
)
def test_no_honest_number_means_not_reported(bad, place):
    assert None is read_usage(*place(bad))


@pytest.mark.parametrize(
    "usage",
    [
        reported(seen={"image_tokens": 101}),
        reported(seen={"cached_tokens": 101}),
        reported(said={"text_tokens": 273}),
        reported(seen=[1]),
        reported(said="x"),
    ],
)
def test_parts_larger_than_the_whole_and_other_shapes_are_not_reported(usage):
    assert None is read_usage(usage)


def test_what_no_table_names_is_kept_apart():
    svg = {"input_tokens": 1, "output_tokens": 1, "drawing_tokens": 7}
    found = read_usage(reported(seen={"video_tokens": 9}, cost=0.5), svg)

    assert {
        "input_tokens_details.video_tokens": 9,
        "cost": 0.5,
        "svg_usage.drawing_tokens": 7,
    } == found.unmapped


def test_every_documented_field_is_in_the_table():
    """Drift: a field the official package learns must be decided about."""
    for model in (images_response.Usage, CompletedUsage):
        assert set() == set(model.model_fields) - set(KNOWN)
    for model, known in (
        (images_response.UsageInputTokensDetails, KNOWN["input_tokens_details"]),
        (images_response.UsageOutputTokensDetails, KNOWN["output_tokens_details"]),
        (images_response.SvgUsage, set(SVG_KNOWN) | {"model"}),
    ):
        assert set() == set(model.model_fields) - set(known)
