"""Reading Bedrock's answers to messages: Anthropic's events in frames, or its JSON as it is.

A stream is judged by its first frame and its last ones; the rest is only walked over, from length
to length, until somebody asks for the texts.
"""

from itertools import pairwise

from gateway.dialects import anthropic_answer
from gateway.dialects.anthropic_answer import ALL
from gateway.dialects.anthropic_closing import MessageClosing
from gateway.dialects.anthropic_story import Story
from gateway.dialects.aws_event_stream import frame_at, frame_ends
from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.dialects.bedrock_events import ChunkBuffer, chunk, document_in
from gateway.dialects.bedrock_usage import METRICS, read_metrics
from gateway.dialects.story_readers import StreamReader, Tail, decoded
from gateway.metering.call import Call
from gateway.metering.usage import Usage

# `message_delta` and `message_stop`, and room for one more.
LAST_FRAMES = 3


class BedrockStory:
    """Anthropic's, and what Bedrock adds to its last event. Implements `StreamStory`."""

    __slots__ = ("_metrics", "_story")

    def __init__(self, story: Story) -> None:
        self._story = story
        self._metrics: object = None

    @property
    def started(self) -> bool:
        """What the first event says of the usage is known."""
        return self._story.started

    @property
    def concluded(self) -> bool:
        """So is what the last one says."""
        return self._story.reported is not None

    def at_start(self) -> "BedrockStory":
        return BedrockStory(self._story.at_start())

    @property
    def reported(self) -> Reported | None:
        """As the vendor reports it; as Bedrock counts it where that is missing."""
        told, counted = self._story.reported, read_metrics(self._metrics)
        if told is None or counted is None or not counted.unmapped:
            return told or counted
        return Reported(told.usage, {**told.unmapped, **counted.unmapped})

    @property
    def so_far(self) -> Usage | None:
        return self._story.so_far

    @property
    def extra(self) -> Usage:
        return self._story.extra

    def take_pieces(self) -> list[OutputPiece]:
        return self._story.take_pieces()

    def add(self, document: object) -> None:
        self._story.add(document)
        if isinstance(document, dict) and METRICS in document:
            self._metrics = document[METRICS]


def stream_reader(call: Call) -> AnswerReader:
    story = BedrockStory(Story())

    def first_and_last(tail: Tail) -> Reported | None:
        return _first_and_last(story, tail)

    closing = MessageClosing(call, write=chunk)
    return StreamReader(story, closing, glance=first_and_last, framing=ChunkBuffer())


json_reader = anthropic_answer.json_reader


def _first_and_last(read: BedrockStory, tail: Tail) -> Reported | None:
    """What a story of the first and the last frames reports. The first may have been read already,
    the last must be here."""
    data = tail(ALL)
    frames = list(pairwise((0, *frame_ends(data))))
    glanced = read.at_start()
    first, rest = ([], frames) if read.started else (frames[:1], frames[1:])
    for start, end in first + rest[-LAST_FRAMES:]:
        frame = frame_at(data, start, end)
        if frame is not None:
            glanced.add(decoded(document_in(frame)))
    return glanced.reported if glanced.started and glanced.concluded else None
