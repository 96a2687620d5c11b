"""What the accumulators of both official packages make of a stream that we ended."""

from typing import Any

import openai
import orjson
import pytest
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from gateway.dialects.openai_responses_closing import KEPT_CHARS_MAX, ResponseClosing
from gateway.metering.usage import NOTHING, Usage

CREATED = {
    "type": "response.created",
    "sequence_number": 0,
    "response": {
        "id": "resp_1",
        "object": "response",
        "created_at": 7,
        "model": "gpt-5",
        "status": "in_progress",
        "output": [],
        "usage": None,
        "tools": [],
    },
}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": []}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "status": "in_progress",
    "name": "f",
    "call_id": "c_1",
    "arguments": "",
}


def event(kind: str, **fields: object) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": 0, **fields}


def added(item: dict[str, object], *, at: int = 0) -> dict[str, Any]:
    return event("output_item.added", item=item, output_index=at)


def part_added(kind: str, field: str, item_id: str = "msg_1") -> dict[str, Any]:
    part = {"type": kind, field: ""} | ({"annotations": []} if kind == "output_text" else {})
    return event("content_part.added", item_id=item_id, content_index=0, part=part)


def delta(kind: str, text: str, **place: object) -> dict[str, Any]:
    return event(f"{kind}.delta", delta=text, **place)


TEXT = (
    added(MESSAGE | {"content": []}),
    part_added("output_text", "text"),
    delta("output_text", "Hel", item_id="msg_1", content_index=0, logprobs=[]),
    delta("output_text", "lo", item_id="msg_1", content_index=0, logprobs=[]),
)


def numbered(events: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return [each | {"sequence_number": number} for number, each in enumerate(events)]


def ended(*events: dict[str, Any], usage: Usage = NOTHING) -> list[dict[str, Any]]:
    """The events of our ending of such a stream."""
    closing = ResponseClosing("asked")
    for each in numbered((CREATED, *events)):
        closing.add(each)
    *told, rest = closing.ending(usage, include_usage=False).split(b"\n\n")
    assert b"" == rest
    lines = [each.split(b"\n") for each in told]
    documents = [orjson.loads(data.removeprefix(b"data: ")) for _, data in lines]
    assert [f"event: {each['type']}".encode() for each in documents] == [name for name, _ in lines]
    return documents


def kinds_of(events: list[dict[str, Any]]) -> list[str]:
    return [each["type"].removeprefix("response.") for each in events]


def test_an_open_text_is_ended_part_by_part_and_the_numbers_go_on():
    ending = ended(*TEXT)

    assert ["output_text.done", "content_part.done", "output_item.done", "incomplete"] == (
        kinds_of(ending)
    )
    assert [5, 6, 7, 8] == [each["sequence_number"] for each in ending]
    text, part, item, last = ending
    assert ("Hello", "msg_1", 0, 0, []) == tuple(
        text[name] for name in ("text", "item_id", "output_index", "content_index", "logprobs")
    )
    assert "Hello" == part["part"]["text"] == item["item"]["content"][0]["text"]
    assert "incomplete" == item["item"]["status"]
    assert [item["item"]] == last["response"]["output"]


def test_the_whole_response_is_told_with_its_usage():
    response = ended(*TEXT, usage=Usage(input_uncached=5, output_text=4))[-1]["response"]

    assert ("resp_1", 7, "gpt-5", "incomplete") == tuple(
        response[name] for name in ("id", "created_at", "model", "status")
    )
    assert {"reason": "max_output_tokens"} == response["incomplete_details"]
    assert (5, 4, 9) == tuple(
        response["usage"][name] for name in ("input_tokens", "output_tokens", "total_tokens")
    )


def test_what_is_done_is_left_alone():
    done = MESSAGE | {"status": "completed", "content": [{"type": "output_text", "text": "Hello"}]}
    (last,) = ended(*TEXT, event("output_item.done", item=done))

    assert [done] == last["response"]["output"]


def test_a_text_that_is_done_is_not_ended_again():
    place = {"item_id": "msg_1", "content_index": 0}
    done = event("output_text.done", text="Hello", logprobs=[], **place)
    part = event("content_part.done", part={"type": "output_text", "text": "Hello"}, **place)

    assert ["content_part.done", "output_item.done", "incomplete"] == kinds_of(ended(*TEXT, done))
    assert ["output_item.done", "incomplete"] == kinds_of(ended(*TEXT, done, part))


def test_sources_stay_with_the_text_they_belong_to():
    note = event("output_text.annotation.added", content_index=0, annotation={"type": "url"})

    assert [{"type": "url"}] == ended(*TEXT, note)[1]["part"]["annotations"]


OPEN_ITEMS = {
    "refusal": (
        [added(MESSAGE | {"content": []}), part_added("refusal", "refusal")],
        delta("refusal", "No", item_id="msg_1", content_index=0),
        ["refusal.done", "content_part.done"],
        ("content", [{"type": "refusal", "refusal": "No"}]),
    ),
    "reasoning": (
        [added(REASONING | {"content": []}), part_added("reasoning_text", "text", "rs_1")],
        delta("reasoning_text", "Hm", item_id="rs_1", content_index=0),
        ["reasoning_text.done", "content_part.done"],
        ("content", [{"type": "reasoning_text", "text": "Hm"}]),
    ),
    "summary": (
        [
            added(REASONING),
            event(
                "reasoning_summary_part.added",
                item_id="rs_1",
                summary_index=0,
                part={"type": "summary_text", "text": ""},
            ),
        ],
        delta("reasoning_summary_text", "Hm", item_id="rs_1", summary_index=0),
        ["reasoning_summary_text.done", "reasoning_summary_part.done"],
        ("summary", [{"type": "summary_text", "text": "Hm"}]),
    ),
    "function": (
        [added(CALL)],
        delta("function_call_arguments", '{"a', item_id="fc_1"),
        ["function_call_arguments.done"],
        ("arguments", '{"a'),
    ),
    "custom": (
        [added({"id": "ct_1", "type": "custom_tool_call", "input": "", "call_id": "c"})],
        delta("custom_tool_call_input", "ls", item_id="ct_1"),
        ["custom_tool_call_input.done"],
        ("input", "ls"),
    ),
    "mcp": (
        [added({"id": "mcp_1", "type": "mcp_call", "arguments": "", "status": "in_progress"})],
        delta("mcp_call_arguments", "{}", item_id="mcp_1"),
        ["mcp_call_arguments.done"],
        ("arguments", "{}"),
    ),
    "code": (
        [added({"id": "ci_1", "type": "code_interpreter_call", "code": "", "container_id": "c"})],
        delta("code_interpreter_call_code", "1+1", item_id="ci_1"),
        ["code_interpreter_call_code.done"],
        ("code", "1+1"),
    ),
    "shell": (
        [added({"id": "sh_1", "type": "shell_call", "action": {"commands": []}})],
        delta("shell_call_command", "ls", command_index=0),
        ["shell_call_command.done"],
        ("action", {"commands": []}),
    ),
}


@pytest.mark.parametrize("case", OPEN_ITEMS)
def test_every_kind_of_item_is_ended_in_its_own_way(case):
    before, text, closes, (field, whole) = OPEN_ITEMS[case]
    ending = ended(*before, text)

    assert [*closes, "output_item.done", "incomplete"] == kinds_of(ending)
    assert whole == ending[-2]["item"][field]
    assert "in_progress" != ending[-2]["item"].get("status")


@pytest.mark.parametrize("case", OPEN_ITEMS)
def test_the_official_sdks_accumulator_takes_it_without_an_error(case):
    before, text, _, _ = OPEN_ITEMS[case]
    stream = (CREATED, *before, text)
    state = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    fired = [
        fired
        for each in [*numbered(stream), *ended(*stream[1:])]
        for fired in state.handle_event(construct_type(type_=ResponseStreamEvent, value=each))
    ]

    assert "response.incomplete" == fired[-1].type
    assert "max_output_tokens" == fired[-1].response.incomplete_details.reason


def test_several_open_items_are_ended_in_order():
    ending = ended(*TEXT, added(CALL, at=1))

    assert [0, 1] == [e["output_index"] for e in ending if e["type"].endswith("item.done")]


def test_a_picture_that_was_not_finished_has_failed():
    picture = {"id": "ig_1", "type": "image_generation_call", "status": "generating"}

    assert "failed" == ended(added(picture))[0]["item"]["status"]


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_nothing_follows_the_providers_own_end(kind):
    assert [] == ended(*TEXT, event(kind, response={}))


def test_nothing_follows_a_terminator_that_some_servers_send():
    closing = ResponseClosing("asked")
    closing.end()

    assert b"" == closing.ending(Usage(), include_usage=True)


def test_a_stream_that_has_not_begun_begins_and_ends():
    closing = ResponseClosing("asked")
    told = closing.ending(Usage(), include_usage=True)

    assert told.startswith(b"event: response.created\ndata: ")
    assert b'"sequence_number":1' in told
    assert b'"model":"asked"' in told


def test_more_than_anybody_says_is_not_kept():
    closing = ResponseClosing("asked")
    for each in numbered((CREATED, *TEXT)):
        closing.add(each)
    long = "x" * (KEPT_CHARS_MAX // 4)
    for _ in range(5):
        closing.add(delta("output_text", long, item_id="msg_1", content_index=0))
    picture = {"id": "ig_1", "type": "image_generation_call", "status": "done", "result": long}
    closing.add(event("output_item.done", item=picture, output_index=1))
    last = orjson.loads(
        closing.ending(Usage(), include_usage=False).rpartition(b"data: ")[2].strip()
    )

    message, kept = last["response"]["output"]
    assert 3 * len(long) + len("Hello") == len(message["content"][0]["text"])
    assert {"id": "ig_1", "type": "image_generation_call", "status": "done"} == kept


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"type": 5},
        {"type": "response.created", "response": 5},
        {"type": "response.output_item.added", "item": None},
        {"type": "response.output_item.added", "item": {}},
        {"type": "response.content_part.added", "part": 5},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_text.delta", "output_index": -1, "delta": "x"},
        {"type": "response.output_text.annotation.added"},
        {"type": "response.unheard.of"},
    ],
)
def test_odd_events_break_nothing(odd):
    closing = ResponseClosing("asked")
    closing.add(odd)

    assert b'"status":"incomplete"' in closing.ending(Usage(), include_usage=False)
