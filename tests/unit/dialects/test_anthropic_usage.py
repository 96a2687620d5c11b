from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from anthropic.types import MessageDeltaUsage, Usage
from anthropic.types.beta import BetaMessageDeltaUsage, BetaUsage
from pydantic import BaseModel

from gateway.dialects.anthropic_usage import KNOWN, asked_tier, merged, read_usage, write_usage
from gateway.metering.usage import Usage as OurUsage

# Numbers of a usage that never change a charge here, and why.
NOT_COUNTS = {
    # A credit that was applied or not: it has no amount.
    "fallback_credit",
    "inference_geo",
    "service_tier",
    "speed",
}


def classes(reported: object) -> dict[str, int] | None:
    told = read_usage(reported)
    return None if told is None else told.usage.nonzero()


def test_what_is_cached_stands_beside_the_input():
    assert {
        "input_uncached": 10,
        "input_cache_read": 2000,
        "input_cache_write_5m": 300,
        "input_cache_write_1h": 400,
        "output_text": 20,
    } == classes(
        {
            "input_tokens": 10,
            "cache_read_input_tokens": 2000,
            "cache_creation_input_tokens": 700,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 300,
                "ephemeral_1h_input_tokens": 400,
            },
            "output_tokens": 20,
        }
    )


@pytest.mark.parametrize(
    ("written", "split", "expected"),
    [
        (100, None, {"input_cache_write_5m": 100}),
        (None, {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 9}, (7, 9)),
        (100, {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 60}, (0, 100)),
        (100, {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 60}, (40, 60)),
        (100, {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0}, (100, 0)),
        (0, {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, (0, 0)),
    ],
)
def test_cache_writes_are_split_by_lifetime(written, split, expected):
    if isinstance(expected, tuple):
        names = ("input_cache_write_5m", "input_cache_write_1h")
        expected = {name: n for name, n in zip(names, expected, strict=True) if n}
    reported = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": written}

    assert expected == classes(reported | {"cache_creation": split})


def test_thinking_is_inside_the_output():
    reported = {
        "input_tokens": 1,
        "output_tokens": 100,
        "output_tokens_details": {"thinking_tokens": 80},
    }

    assert {"input_uncached": 1, "output_text": 20, "output_reasoning": 80} == classes(reported)


def test_searches_are_pieces_and_fetches_are_free():
    reported = {
        "input_tokens": 1,
        "output_tokens": 2,
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 4},
    }

    assert {"input_uncached": 1, "output_text": 2, "web_search": 3} == classes(reported)
    assert {} == dict(read_usage(reported).unmapped)


def test_compaction_is_beside_the_total_and_other_iterations_inside():
    message = {"type": "message", "input_tokens": 50, "output_tokens": 7}
    compaction = {
        "type": "compaction",
        "input_tokens": 1000,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "output_tokens": 30,
    }
    reported = {"input_tokens": 50, "output_tokens": 7, "iterations": [compaction, message, None]}

    assert {"input_uncached": 1050, "input_cache_read": 5, "output_text": 37} == classes(reported)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, ""),
        ({"service_tier": None, "speed": None, "inference_geo": None}, ""),
        ({"inference_geo": "not_available"}, ""),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "batch", "inference_geo": "us"}, "batch+us"),
        ({"speed": "fast", "inference_geo": "us"}, "fast+us"),
        ({"service_tier": "new", "speed": 7, "inference_geo": "moon"}, ""),
    ],
)
def test_what_is_out_of_the_ordinary_makes_the_service_tier(told, tier):
    reported = read_usage({"input_tokens": 1, "output_tokens": 1} | told)

    assert tier == reported.usage.service_tier


def test_a_request_asks_for_what_costs_more():
    assert "fast+us" == asked_tier({"speed": "fast", "inference_geo": "us", "service_tier": "auto"})
    assert "" == asked_tier({"speed": "standard", "inference_geo": "global"})


@pytest.mark.parametrize(
    "reported",
    [
        None,
        [],
        {},
        {"input_tokens": 1},
        {"output_tokens": 1},
        {"input_tokens": None, "output_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.0, "output_tokens": 1},
        {"input_tokens": 10**12, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": "1"},
        {"input_tokens": 1, "output_tokens": 1, "cache_creation": 5},
        {"input_tokens": 1, "output_tokens": 1, "server_tool_use": []},
        {"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": -1}},
        {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}},
        {
            "input_tokens": 1,
            "output_tokens": 1,
            "cache_creation_input_tokens": 5,
            "cache_creation": {"ephemeral_1h_input_tokens": 6},
        },
        {
            "input_tokens": 1,
            "output_tokens": 1,
            "iterations": [{"type": "compaction", "input_tokens": -1}],
        },
    ],
)
def test_a_usage_that_cannot_be_is_not_believed(reported):
    assert read_usage(reported) is None


def test_a_number_without_a_meaning_is_kept_and_changes_nothing():
    reported = {
        "input_tokens": 1,
        "output_tokens": 1,
        "new": 5,
        "server_tool_use": {"x_requests": 2},
    }
    told = read_usage(reported)

    assert {"new": 5, "server_tool_use.x_requests": 2} == dict(told.unmapped)
    assert {"input_uncached": 1, "output_text": 1} == told.usage.nonzero()


START = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 1,
    "service_tier": "priority",
}


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"output_tokens": 9}, {"input_uncached": 25, "input_cache_write_1h": 100}),
        (
            {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": None},
            {"input_uncached": 25, "input_cache_write_1h": 100},
        ),
        # A compatible server that knows the input at the start only.
        (
            {"output_tokens": 9, "input_tokens": 0, "cache_creation_input_tokens": 0},
            {"input_uncached": 25, "input_cache_write_1h": 100},
        ),
        # Tools brought more into the prompt.
        (
            {"output_tokens": 9, "input_tokens": 900, "cache_creation_input_tokens": 150},
            {"input_uncached": 900, "input_cache_write_1h": 150},
        ),
        # The start was an estimate.
        (
            {
                "output_tokens": 9,
                "input_tokens": 5,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 120,
            },
            {"input_uncached": 5, "input_cache_read": 120},
        ),
    ],
)
def test_the_end_of_a_stream_has_the_last_word_on_its_input(delta, expected):
    told = read_usage(merged(START, delta))

    assert expected | {"output_text": 9} == told.usage.nonzero()
    assert "priority" == told.usage.service_tier


def test_a_start_of_zeros_is_completed_by_the_end():
    """As several servers do that speak Anthropic's format."""
    told = read_usage(
        merged({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 8, "output_tokens": 3})
    )

    assert {"input_uncached": 8, "output_text": 3} == told.usage.nonzero()


def test_what_is_written_is_read_again():
    usage = OurUsage(
        input_uncached=5,
        input_cache_read=6,
        input_cache_write_5m=7,
        output_text=8,
        output_reasoning=9,
    )
    written = write_usage(usage)

    assert usage == read_usage(written).usage
    assert 17 == MessageDeltaUsage.model_validate(written).output_tokens


def counts(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted paths of all numbers in a type of the SDK."""
    for name, field in model.model_fields.items():
        inner = next(
            (arg for arg in (field.annotation, *get_args(field.annotation)) if is_model(arg)), None
        )
        if name in NOT_COUNTS:
            continue
        if inner is None:
            yield f"{prefix}{name}"
        else:
            yield from counts(inner, f"{prefix}{name}.")


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def known_paths(known: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, inner in known.items():
        if inner is None:
            yield f"{prefix}{name}"
        else:
            yield from known_paths(inner, f"{prefix}{name}.")


@pytest.mark.parametrize("model", [Usage, MessageDeltaUsage, BetaUsage, BetaMessageDeltaUsage])
def test_every_count_of_the_official_sdk_is_in_the_table(model):
    assert set() == set(counts(model)) - set(known_paths(KNOWN))
