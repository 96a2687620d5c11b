import pytest

from gateway.dialects.anthropic_story import Story
from gateway.metering.usage import NOTHING, Usage


def story_of(*events):
    story = Story()
    for event in events:
        story.add(event)
    return story


def test_texts_are_handed_out_once_by_block():
    delta = {"type": "text_delta", "text": "Hi"}
    story = story_of(
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_delta", "index": 2, "delta": delta},
        {"type": "content_block_delta", "index": 0, "delta": delta},
    )

    assert [("0.text", "HiHi"), ("2.text", "Hi")] == [
        (piece.stream, piece.text) for piece in story.take_pieces()
    ]
    assert [] == story.take_pieces()
    assert NOTHING == story.extra


def test_arguments_given_at_the_start_of_a_block_are_output():
    """Compatible servers do not cut them into deltas."""
    tool = {"type": "tool_use", "id": "t", "name": "get", "input": {"a": 1}}
    story = story_of({"type": "content_block_start", "index": 0, "content_block": tool})

    assert [("0.name", "get"), ("0.input", '{"a":1}')] == [
        (piece.stream, piece.text) for piece in story.take_pieces()
    ]


def test_what_is_malformed_says_nothing():
    story = story_of(
        None,
        [],
        {"type": ["message_start"]},
        {"type": "message_start", "message": 5},
        {"type": "message_delta", "usage": 5},
        {"type": "content_block_start", "index": "0", "content_block": "x"},
        {"type": "content_block_start", "content_block": {"type": ["tool_use"]}},
        {"type": "content_block_delta", "index": -1, "delta": {"type": "text_delta", "text": 5}},
        {"type": "content_block_delta", "delta": 5},
    )

    assert ([], None, None, NOTHING) == (
        story.take_pieces(),
        story.reported,
        story.so_far,
        story.extra,
    )


def test_a_message_in_one_piece_reports_itself():
    story = Story()
    story.add_message({"content": [], "usage": {"input_tokens": 5, "output_tokens": 6}})

    assert Usage(input_uncached=5, output_text=6) == story.reported.usage


def input_pieces(*texts):
    tool = {"type": "tool_use", "id": "t", "name": "get", "input": {}}
    return [
        {"type": "content_block_start", "index": 0, "content_block": tool},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": text},
            }
            for text in texts
        ),
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ['{"city":"Rome","days":{"from":1}}'],
        ['{"city"', ': "Rome", "days', '": {"from"', ":1}}"],
        ["", '{"city":"Rome"', "", ',"days":{"from":1}}'],
    ],
)
def test_each_argument_is_framed_however_it_arrives(texts):
    assert Usage(output_text=36 + 3 * 13) == story_of(*input_pieces(*texts)).extra


@pytest.mark.parametrize(
    ("reason", "tokens"), [("end_turn", 3), ("stop_sequence", 3), ("max_tokens", 0), (None, 0)]
)
def test_an_end_of_its_own_is_part_of_an_answer(reason, tokens):
    delta = {"type": "text_delta", "text": "Hi"}
    story = story_of(
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "message_delta", "delta": {"stop_reason": reason}},
    )

    assert Usage(output_text=tokens) == story.extra


def test_an_answer_that_says_nothing_has_no_framing_either():
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}

    assert NOTHING == story_of(end).extra
