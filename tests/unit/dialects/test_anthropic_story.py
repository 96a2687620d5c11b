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
