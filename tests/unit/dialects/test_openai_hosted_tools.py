import typing

import pytest
from openai.types.responses import response_output_item, tool

from gateway.dialects import openai_hosted_tools
from gateway.dialects.openai_hosted_tools import (
    CALLS_ASSUMED,
    CALLS_MAX,
    hosted,
    offered,
    unknown_uses,
    used,
)
from gateway.metering.pieces import valid_piece
from gateway.metering.usage import Usage

SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
CODE = {"type": "code_interpreter_call", "status": "completed", "container_id": "cntr_1"}
PICTURE = {"type": "image_generation_call", "status": "completed"}


def offering(*tools, **more):
    return {"tools": list(tools)} | more


@pytest.mark.parametrize(
    ("tool", "piece"),
    [
        ({"type": "web_search"}, ("web_search", CALLS_ASSUMED)),
        ({"type": "web_search_2025_08_26"}, ("web_search", CALLS_ASSUMED)),
        ({"type": "web_search_preview"}, ("web_search_preview", CALLS_ASSUMED)),
        ({"type": "web_search_preview_2025_03_11"}, ("web_search_preview", CALLS_ASSUMED)),
        ({"type": "file_search", "vector_store_ids": []}, ("file_search", CALLS_ASSUMED)),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, ("code_interpreter", 1)),
        (
            {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}},
            ("code_interpreter.4g", 1),
        ),
        ({"type": "shell", "environment": {"type": "container_auto"}}, ("container", 1)),
        ({"type": "image_generation"}, ("image", CALLS_ASSUMED)),
        ({"type": "image_generation", "quality": "low"}, ("image.low", CALLS_ASSUMED)),
        (
            {"type": "image_generation", "quality": "high", "size": "1024x1536"},
            ("image.high.1024x1536", CALLS_ASSUMED),
        ),
        ({"type": "image_generation", "quality": "auto", "size": "1024x1024"}, ("image", 10)),
    ],
)
def test_a_priced_tool_may_be_used_as_often_as_is_assumed(tool, piece):
    assert (piece,) == offered(offering(tool))
    assert valid_piece(piece[0])
    assert hosted(offering(tool))


@pytest.mark.parametrize(
    "free",
    [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "c"},
        {"type": "computer"},
        {"type": "local_shell"},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "shell"},
        {"type": "code_interpreter", "container": "cntr_mine"},
        {"type": ["odd"]},
        {},
    ],
)
def test_other_tools_cost_tokens_only(free):
    assert () == offered(offering(free))
    assert not hosted(offering(free))


def test_mcp_servers_are_free_and_bring_the_model_round_again():
    assert () == offered(offering({"type": "mcp", "server_label": "x"}))
    assert hosted(offering({"type": "mcp", "server_label": "x"}))


@pytest.mark.parametrize(
    ("given", "calls"), [(3, 3), (10**12, CALLS_MAX), (None, 10), ("x", 10), (True, 10), (-1, 10)]
)
def test_a_limit_of_calls_bounds_each_tool(given, calls):
    tools = ({"type": "web_search"}, {"type": "code_interpreter", "container": {}})
    request = offering(*tools, max_tool_calls=given)

    assert (("code_interpreter", 1), ("web_search", calls)) == offered(request)


@pytest.mark.parametrize("change", [{"max_tool_calls": 0}, {"tool_choice": "none"}])
def test_tools_that_cannot_be_used_cost_nothing(change):
    assert () == offered(offering({"type": "web_search"}, {"type": "code_interpreter"}, **change))


def test_tools_may_stand_among_the_input():
    added = {"type": "additional_tools", "tools": [{"type": "file_search"}]}

    assert (("file_search", 10),) == offered({"input": [added, "x"], "tools": "odd"})


def test_only_searches_are_paid_for_and_bring_results_in():
    opened = SEARCH | {"action": {"type": "open_page"}}
    failed = SEARCH | {"status": "failed"}
    bare = {"type": "web_search_call"}
    usage = used([SEARCH, opened, failed, bare, {"type": "message"}], offering())

    assert Usage(input_uncached=16_000, pieces=(("web_search", 2),)) == usage


def test_searches_are_billed_by_the_tool_they_were_offered_as():
    assert (("web_search_preview", 1),) == used(
        [SEARCH], offering({"type": "web_search_preview_2025_03_11"})
    ).pieces


def test_a_container_is_paid_for_once_and_not_when_it_was_there_before():
    tools = [{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "16g"}}]
    other = CODE | {"container_id": "cntr_2"}
    earlier = {"type": "code_interpreter_call", "container_id": "cntr_2"}

    assert (("code_interpreter.16g", 2),) == used([CODE, CODE, other], offering(*tools)).pieces
    assert (("code_interpreter.16g", 1),) == used(
        [CODE, other], offering(*tools, input=[earlier])
    ).pieces
    assert () == used([CODE], offering({"type": "code_interpreter", "container": "cntr_1"})).pieces


def test_a_shell_of_the_callers_own_costs_nothing():
    hosted_there = {
        "type": "shell_call",
        "environment": {"type": "container_reference", "container_id": "cntr_1"},
    }
    own = {"type": "shell_call", "environment": {"type": "local"}}

    assert (("container", 1),) == used([hosted_there, own, own | {"environment": 1}], {}).pieces


@pytest.mark.parametrize(
    ("made", "piece"),
    [
        ({}, "image"),
        ({"quality": "high", "size": "1024x1024"}, "image.high.1024x1024"),
        ({"quality": "medium", "size": "auto"}, "image.medium"),
        ({"quality": "Odd one!", "size": "1024x1024"}, "image"),
        ({"quality": ["high"], "size": 5}, "image"),
    ],
)
def test_pictures_are_named_by_what_came_out(made, piece):
    assert ((piece, 1),) == used([PICTURE | made], {}).pieces


def test_calls_of_an_unknown_kind_are_news_and_not_free_in_silence():
    items = [{"type": "moon_call"}, {"type": "moon_call"}, {"type": "function_call"}, {"type": 5}]

    assert {"output.moon_call": 2} == unknown_uses([*items, SEARCH, {"type": "message"}])


def types_in(union) -> set[str]:
    members = typing.get_args(typing.get_args(union)[0])
    return {
        name
        for member in members
        for name in typing.get_args(member.model_fields["type"].annotation)
    }


def test_every_documented_tool_is_priced_or_known_to_be_free():
    """Drift: a tool that the official package learns must be decided about in the table."""
    free = {
        "apply_patch",
        "computer",
        "computer_use_preview",
        "custom",
        "function",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "tool_search",
    }
    priced = {name for name in types_in(tool.Tool) if offered(offering({"type": name}))}

    assert set() == types_in(tool.Tool) - priced - free - {"shell"}


def test_every_documented_call_is_priced_or_known_to_be_free():
    calls = {name for name in types_in(response_output_item.ResponseOutputItem) if "_call" in name}

    assert set() == {
        name for name in calls if not name.endswith("_output") and unknown_uses([{"type": name}])
    }
    assert openai_hosted_tools.RESULT_TOKENS.keys() <= calls
