"""Reading answers to messages requests.

A stream is judged by two of its events, the first and the last that has a usage, and a JSON answer
by its last members; all else is read when somebody asks for the texts.
"""

from gateway.dialects.anthropic_closing import MessageClosing
from gateway.dialects.anthropic_story import Story
from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.base import AnswerReader, Reported
from gateway.dialects.sse import line_around, payload
from gateway.dialects.story_readers import (
    TAIL_BYTES,
    JsonReader,
    StreamReader,
    Tail,
    decoded,
    members_from,
)
from gateway.metering.call import Call

# The first event, with its headers' worth of fields, is below 2 KB.
HEAD_BYTES = 8 * 1024
ALL = 1 << 62

_START, _DELTA = b'"message_start"', b'"message_delta"'


def stream_reader(call: Call) -> AnswerReader:
    story = Story()

    def first_and_last(tail: Tail) -> Reported | None:
        return _first_and_last(story, tail)

    return StreamReader(story, MessageClosing(call), glance=first_and_last)


def json_reader() -> AnswerReader:
    return JsonReader(_told, glance=_last_members)


def _told(document: object) -> Story:
    story = Story()
    story.add_message(document)
    return story


def _last_members(body: bytes) -> Reported | None:
    members = members_from(body, b'"usage"')
    return None if members is None else read_usage(members["usage"])


def _first_and_last(read: Story, tail: Tail) -> Reported | None:
    """What a story of the first and the last event with a usage reports. The first may have been
    read already; the last must be here, and both on lines of their own."""
    text = tail(TAIL_BYTES if read.started else ALL)
    # Inside a JSON string these quotes would be escaped.
    last = text.rfind(_DELTA)
    first = text.find(_START, 0, HEAD_BYTES)
    if last < max(0, len(text) - TAIL_BYTES) or (first < 0 and not read.started):
        return None
    glanced = read.at_start()
    for place in (last,) if read.started else (first, last):
        glanced.add(decoded(payload(line_around(text, place)) or b""))
    return glanced.reported if glanced.started else None
