"""What an answer with pictures has told: how many there are, and what was reported of them.

A picture that was begun is charged as made: a preview shows nearly all of it. Source: OpenAI API
reference, images response; events `image_generation.partial_image` and `.completed`, and those
of `image_edit` (read 2026-11-26).
"""

from collections.abc import Mapping

from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.dialects.openai_images_usage import read_usage
from gateway.dialects.passing import NeverCut, no_glance
from gateway.dialects.squeezed import Squeezed
from gateway.dialects.story_readers import JsonReader, StreamReader
from gateway.metering.call import Call
from gateway.metering.made_images import PREVIEW_TOKENS, made_image_tokens
from gateway.metering.usage import Usage


def stream_reader(call: Call) -> AnswerReader:
    return Squeezed(StreamReader(Pictures(call), NeverCut(), glance=no_glance))


def json_reader(call: Call) -> AnswerReader:
    def tell(document: object) -> Pictures:
        pictures = Pictures(call)
        pictures.add_all(document)
        return pictures

    return Squeezed(JsonReader(tell, in_words=False))


class Pictures:
    """Implements `StreamStory`."""

    __slots__ = ("_begun", "_call", "_made", "_previews", "_reported", "_tokens")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._made = 0
        self._tokens = 0
        self._previews = 0
        # A preview has passed of a picture that is not complete.
        self._begun = False
        self._reported: Reported | None = None

    @property
    def reported(self) -> Reported | None:
        """Where pictures are sold by the piece, ours are counted beside what is reported."""
        reported = self._reported
        if reported is None or self._call.counts_tokens:
            return reported
        return Reported(reported.usage + Usage(pieces=self._pieces()), reported.unmapped)

    @property
    def so_far(self) -> Usage | None:
        """Nothing: it is told at the end."""
        return None

    @property
    def extra(self) -> Usage:
        if not self._call.counts_tokens:
            return Usage(pieces=self._pieces())
        begun = self._picture({}) if self._begun else 0
        return Usage(output_image=self._tokens + begun + PREVIEW_TOKENS * self._previews)

    def take_pieces(self) -> list[OutputPiece]:
        """None of it is text."""
        return []

    def add(self, document: object) -> None:
        """One event."""
        if not isinstance(document, dict):
            return
        kind = str(document.get("type"))
        if kind.endswith(".partial_image"):
            self._previews += 1
            self._begun = True
        elif kind.endswith(".completed"):
            self._begun = False
            self._add_picture(document)
            self._report(read_usage(document.get("usage")))

    def add_all(self, document: object) -> None:
        """One whole answer. What broke off in the middle had been made all the same."""
        pictures = document.get("data") if isinstance(document, dict) else [{}] * self._call.choices
        told = document if isinstance(document, dict) else {}
        broken_off = not isinstance(document, dict)
        for picture in pictures if isinstance(pictures, list) else ():
            if broken_off or _is_picture(picture):
                self._add_picture(told)
        self._report(read_usage(told.get("usage"), told.get("svg_usage")))

    def _add_picture(self, told: Mapping[str, object]) -> None:
        self._made += 1
        self._tokens += self._picture(told)

    def _picture(self, told: Mapping[str, object]) -> int:
        """Tokens of one: as the answer tells that it was made, else as it was asked for."""
        quality, size = (told.get(name) or self._call.document.get(name) for name in _TOLD)
        tokens = made_image_tokens(self._call.model, quality=str(quality), size=str(size))
        frames = self._call.document.get("frames")
        return tokens * (frames if isinstance(frames, int) else 1)

    def _pieces(self) -> tuple[tuple[str, int], ...]:
        count = self._made + self._begun
        return tuple((kind, count) for kind, _ in self._call.terms.pieces if count)

    def _report(self, reported: Reported | None) -> None:
        """Each picture of a stream reports its own."""
        if reported is not None and self._reported is not None:
            reported = Reported(
                self._reported.usage + reported.usage,
                {**self._reported.unmapped, **reported.unmapped},
            )
        self._reported = reported or self._reported


_TOLD = ("quality", "size")


def _is_picture(picture: object) -> bool:
    return isinstance(picture, dict) and bool(picture.get("b64_json") or picture.get("url"))
