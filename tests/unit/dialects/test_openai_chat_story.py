import pytest

from gateway.dialects.openai_chat_story import Story
from gateway.metering.usage import Usage


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {},
        {"choices": None, "usage": []},
        {"choices": [None, 1, "x", []]},
        {"choices": [{"delta": None}, {"delta": "x"}]},
        {"choices": [{"delta": {"content": 5, "refusal": {}, "audio": 7, "tool_calls": {}}}]},
        {"choices": [{"delta": {"content": [None, {"text": 5}, {"thinking": 5}]}}]},
        {"choices": [{"delta": {"tool_calls": [None, 5]}}]},
        {"choices": [{"index": "x", "delta": {"audio": {"data": 5, "transcript": []}}}]},
    ],
)
def test_odd_shapes_tell_nothing(document):
    story = Story()
    story.add(document)

    assert [] == story.take_pieces()
    assert Usage() == story.extra


@pytest.mark.parametrize("index", [True, -1, "0", 1.0, None])
def test_an_odd_index_counts_as_the_first_choice(index):
    story = Story()
    story.add({"choices": [{"index": index, "delta": {"content": "x"}}]})

    assert ["0.content"] == [piece.stream for piece in story.take_pieces()]


def test_a_thinking_part_may_be_a_plain_text():
    story = Story(part="message")
    parts = [{"type": "thinking", "thinking": "Hm"}]
    story.add({"choices": [{"message": {"content": parts}}]})

    assert ["Hm"] == [piece.text for piece in story.take_pieces()]


def test_pieces_are_handed_out_once():
    story = Story()
    story.add({"choices": [{"delta": {"content": "x"}}]})
    story.take_pieces()

    assert [] == story.take_pieces()


def test_a_call_whose_name_comes_without_an_id_is_one_call():
    story = Story()
    for made in ({"name": "f"}, {"arguments": "{"}, {"arguments": "}"}):
        calls = [{"index": 0, "function": made}]
        story.add({"choices": [{"delta": {"tool_calls": calls}}]})

    assert Usage(output_text=16) == story.extra


@pytest.mark.parametrize(("reason", "tokens"), [("stop", 9), ("tool_calls", 9), ("length", 0)])
def test_only_an_answer_that_came_to_its_own_end_has_its_whole_framing(reason, tokens):
    story = Story()
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    story.add({"model": "gpt-5-mini", "choices": [choice]})
    assert Usage() == story.extra

    story.add({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})

    assert Usage(output_text=tokens) == story.extra


def test_an_answer_under_a_schema_names_its_format():
    story = Story(part="message", under_schema=True)
    choices = [{"index": at, "message": {}, "finish_reason": "stop"} for at in (0, 1)]
    story.add({"model": "gpt-5.4", "choices": choices})

    assert Usage(output_text=2 * (3 + 4)) == story.extra
