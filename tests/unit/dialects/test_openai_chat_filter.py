import random

import pytest
from support.chunking import cuts

from gateway.dialects.openai_chat_filter import EVENT_BYTES_MAX, UsageFilter

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}\n\n'


def filtered(pieces: list[bytes]) -> bytes:
    usage_filter = UsageFilter()
    return b"".join(map(usage_filter.feed, pieces)) + usage_filter.close()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_any_mixture_of_pieces_gives_the_same_bytes(line_end):
    stream = (TEXT + b"\n" + USAGE + b": x\n\n" + TEXT + USAGE + b"\n\ndata: [DONE]\n\n").replace(
        b"\n", line_end
    )
    expected = stream.replace(USAGE.replace(b"\n", line_end), b"")
    dice = random.Random(7)
    for _ in range(500):
        marks = sorted(dice.choices(range(len(stream) + 1), k=8))
        pieces = [stream[a:b] for a, b in zip([0, *marks], [*marks, len(stream)], strict=True)]
        assert expected == filtered(pieces)


def test_a_complete_event_is_never_held_back():
    usage_filter = UsageFilter()

    for line_end in (b"\n", b"\r\n", b"\r"):
        event = TEXT.replace(b"\n", line_end)
        assert event == usage_filter.feed(event)


def test_an_open_event_is_held_only_while_it_may_be_the_usage_event():
    usage_filter = UsageFilter()

    assert b"" == usage_filter.feed(b'data: {"choices":')
    assert b'data: {"choices":[{"index":0,"delta":{"con' == usage_filter.feed(
        b'[{"index":0,"delta":{"con'
    )
    assert b'tent":"Hi"}}]}' == usage_filter.feed(b'tent":"Hi"}}]}\n')
    assert b"\n\n" == usage_filter.feed(b"\n")


def test_a_long_open_event_is_let_go():
    usage_filter = UsageFilter()
    opening = b'data: {"choices":[],"pad":"' + b"x" * EVENT_BYTES_MAX

    assert opening == usage_filter.feed(opening)
    assert b"" == usage_filter.close()


def test_closing_gives_back_what_was_held():
    usage_filter = UsageFilter()
    assert b"" == usage_filter.feed(USAGE[:-1])

    assert USAGE[:-1] == usage_filter.close()
    assert b"" == usage_filter.close()


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[],"usage":null}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
        b'data: {"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
        b'data: {"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
        b'data: {"choices":[],"usage":"completion_tokens"}\n\n',
        b'data: [{"choices":[],"usage":{"completion_tokens":2}}]\n\n',
        b': {"choices":[],"usage":{"completion_tokens":2}}\n\n',
        b'data: {"choices":[],"usage":{"completion_tokens":2}\n\n',
    ],
)
def test_events_of_other_shapes_pass(event):
    for pieces in cuts(event):
        assert event == filtered(pieces)


@pytest.mark.parametrize(
    "event",
    [
        b'data:{"usage":{"completion_tokens":2},"choices":[]}\n\n',
        b'event: message\ndata: {"choices" : [ ],\ndata: "usage" : {"completion_tokens" : 2}}\n\n',
    ],
)
def test_the_usage_event_is_known_in_any_spelling(event):
    for pieces in cuts(TEXT + event + TEXT):
        assert TEXT + TEXT == filtered(pieces)


def test_a_usage_that_tells_its_cost_was_not_sent_for_our_sake():
    """OpenRouter sends it to everybody."""
    event = b'data: {"choices":[],"usage":{"completion_tokens":1,"prompt_tokens":2,"cost":0.1}}\n\n'
    usage_filter = UsageFilter()

    assert event == usage_filter.feed(event) + usage_filter.close()
