import typing

import pytest
from openai.types.responses import ResponseStreamEvent

from gateway.dialects.openai_responses_story import ENDINGS, TEXTS, ResponseStory
from gateway.metering.usage import Usage

DELTA = {"type": "response.output_text.delta", "output_index": 2, "content_index": 1, "delta": "Hi"}


def story_of(*events, request=None):
    story = ResponseStory(request or {})
    for event in events:
        story.add(event)
    return story


def texts_of(story):
    return {piece.stream: piece.text for piece in story.take_pieces()}


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"type": 5},
        {"type": "response.output_text.delta"},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_text.done", "text": {}},
        {"type": "response.output_item.done", "item": 5},
        {"type": "response.output_item.done", "item": {"type": ["odd"], "content": 5}},
        {"type": "response.completed", "response": 5},
        {"type": "response.completed", "response": {"output": [5], "usage": []}},
        {"type": "response.audio.delta", "delta": 5},
        {"type": "response.moon.delta", "delta": "x"},
    ],
)
def test_odd_events_tell_nothing(event):
    story = story_of(event)

    assert {} == texts_of(story)
    assert Usage() == story.extra
    assert None is story.reported


def test_pieces_are_handed_out_once():
    story = story_of(DELTA)

    assert {"2.content.1": "Hi"} == texts_of(story)
    assert {} == texts_of(story)


def test_the_end_of_a_text_adds_only_what_was_missing():
    done = DELTA | {"type": "response.output_text.done", "text": "Hi there"}
    story = story_of(DELTA, done)
    assert {"2.content.1": "Hi there"} == texts_of(story)
    story.add(done)

    assert {} == texts_of(story)


@pytest.mark.parametrize("index", [True, -1, "0", 1.0, None])
def test_an_odd_index_counts_as_the_first(index):
    assert {"0.content.1": "Hi"} == texts_of(story_of(DELTA | {"output_index": index}))


def test_the_users_own_words_are_not_the_answers():
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}

    assert {} == texts_of(story_of({"type": "response.output_item.done", "item": item}))


def test_what_was_told_in_pieces_is_not_told_again_at_the_end():
    """Even where the indexes of the events had a gap."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    end = {"type": "response.completed", "response": {"output": [message]}}

    assert {"2.content.1": "Hi"} == texts_of(story_of(DELTA, end))


@pytest.mark.parametrize(("calls", "tokens"), [(0, 0), (1, 24), (2, 36), (3, 48)])
def test_calls_have_their_framing(calls, tokens):
    made = [
        {
            "type": "response.output_item.added",
            "output_index": at,
            "item": {"type": "function_call"},
        }
        for at in range(calls)
    ]

    story = story_of(*made, request={"model": "gpt-4.1"})

    assert tokens == story.extra.output_text


@pytest.mark.parametrize(
    ("model", "status", "items", "asked", "tokens"),
    [
        ("gpt-4.1-2025-04-14", "completed", ["message"], {}, 1),
        ("gpt-5.4-2026-03-05", "completed", ["message"], {}, 4),
        ("gpt-5.4-2026-03-05", "completed", ["reasoning", "message"], {}, 6),
        ("gpt-5.4-2026-03-05", "completed", ["message"], {"type": "json_schema"}, 8),
        ("gpt-5.4-2026-03-05", "incomplete", ["message"], {}, 0),
        ("gpt-5.4-2026-03-05", "completed", [], {}, 0),
    ],
)
def test_an_answer_that_came_to_its_own_end_is_framed(model, status, items, asked, tokens):
    response = {
        "model": model,
        "status": status,
        "output": [{"type": kind} for kind in items],
        "text": {"format": asked},
    }

    assert (
        tokens == story_of({"type": f"response.{status}", "response": response}).extra.output_text
    )


def test_every_documented_text_event_is_read():
    """Drift: an event that the official package learns must be decided about."""
    events = typing.get_args(typing.get_args(ResponseStreamEvent)[0])
    kinds = {typing.get_args(event.model_fields["type"].annotation)[0] for event in events}
    deltas = {
        kind.removeprefix("response.").removesuffix(".delta")
        for kind in kinds
        if kind.endswith(".delta")
    }
    # A tool's output is read by the model, not made by it.
    assert deltas - {"audio", "audio.transcript", "shell_call_output_content"} == set(TEXTS)
    assert set(ENDINGS) < kinds
