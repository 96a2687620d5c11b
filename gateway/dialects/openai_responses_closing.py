"""Ends a stream of the Responses API as the API itself does when `max_output_tokens` is reached.

Each text, part and item that is still open gets the `.done` event that an SDK's accumulator waits
for, with all the client has of it, then `response.incomplete` tells the whole response. Numbers
(`sequence_number`) go on where the provider stopped. There is no `[DONE]`. Source: OpenAI API
reference, "Responses streaming", and the accumulators of the openai packages (Python 3.57.0, Node
6.49.0; read 2026-11-24).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.dialects.json_body import kind_of
from gateway.dialects.openai_responses_story import ENDINGS, TEXTS, index_in
from gateway.dialects.openai_responses_usage import write_usage
from gateway.metering.usage import Usage

# What was said has to be repeated at the end, so it is kept: a hundred times the longest answer.
KEPT_CHARS_MAX = 32 * 1024 * 1024

_BEGINNINGS = ("response.created", "response.queued", "response.in_progress")
# The kinds of item that cannot be called incomplete.
_BROKEN_OFF: Mapping[str, str] = {"image_generation_call": "failed"}
# By a part's type, the text event that fills it.
_PART_TEXTS: Mapping[str, str] = {
    "output_text": "output_text",
    "refusal": "refusal",
    "reasoning_text": "reasoning_text",
    "summary_text": "reasoning_summary_text",
}
_PART_EVENTS: Mapping[str, tuple[str, str]] = {
    "content_part": ("content", "content_index"),
    "reasoning_summary_part": ("summary", "summary_index"),
}

Place = tuple[str, int]
"""What of an item, and which of several."""


@dataclass(slots=True)
class _Part:
    fields: dict[str, object]
    done: bool = False


@dataclass(slots=True)
class _Text:
    base: str
    said: list[str] = field(default_factory=list)
    done: bool = False

    @property
    def whole(self) -> str:
        return "".join(self.said)


@dataclass(slots=True)
class _Item:
    """An item as the client has it by now."""

    fields: dict[str, object]
    done: bool = False
    parts: dict[Place, _Part] = field(default_factory=dict)
    texts: dict[Place, _Text] = field(default_factory=dict)


class ResponseClosing:
    """Implements `Closing`."""

    __slots__ = ("_ended", "_items", "_kept_chars", "_model", "_response", "_sequence")

    def __init__(self, model: str) -> None:
        self._model = model
        self._response: Mapping[str, object] | None = None
        self._items: dict[int, _Item] = {}
        self._kept_chars = 0
        self._sequence = -1
        self._ended = False

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        kind = kind_of(document)
        self._sequence = max(self._sequence, index_in(document, "sequence_number"))
        base, _, step = kind.removeprefix("response.").rpartition(".")
        if base in TEXTS:
            self._add_text(base, step, document)
        elif kind in _BEGINNINGS:
            response = document.get("response")
            self._response = response if isinstance(response, dict) else self._response
        elif kind in ENDINGS:
            self._ended = True
        elif base == "output_item":
            self._add_item(step, document)
        elif base in _PART_EVENTS:
            self._add_part(base, step, document)
        elif base == "output_text.annotation":
            self._add_annotation(document)

    def end(self) -> None:
        self._ended = True

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:  # noqa: ARG002 (always told here)
        """Nothing after the provider's own end."""
        if self._ended:
            return b""
        events: list[dict[str, object]] = []
        response = self._response
        if response is None:
            response = _no_response(self._model)
            events.append({"type": "response.created", "response": response})
        for index, item in sorted(self._items.items()):
            if not item.done:
                events += _closing_events(index, item)
        told = {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [item.fields for _, item in sorted(self._items.items())],
            "usage": write_usage(usage),
        }
        events.append({"type": "response.incomplete", "response": {**response, **told}})
        return b"".join(
            _event(each, number) for number, each in enumerate(events, self._sequence + 1)
        )

    def _add_item(self, step: str, event: Mapping[str, object]) -> None:
        fields = event.get("item")
        if isinstance(fields, dict):
            size = sum(len(value) for value in fields.values() if isinstance(value, str))
            kept = fields if self._keep(size) else _named(fields)
            self._items[index_in(event, "output_index")] = _Item(dict(kept), done=step == "done")

    def _add_part(self, base: str, step: str, event: Mapping[str, object]) -> None:
        what, which = _PART_EVENTS[base]
        item = self._items.get(index_in(event, "output_index"))
        fields = event.get("part")
        if item is not None and isinstance(fields, dict):
            place = (what, index_in(event, which))
            item.parts[place] = _Part(dict(fields), done=step == "done")

    def _add_text(self, base: str, step: str, event: Mapping[str, object]) -> None:
        what, which, whole = TEXTS[base]
        item = self._items.get(index_in(event, "output_index"))
        if item is None:
            return
        text = item.texts.setdefault((what, index_in(event, which)), _Text(base))
        said = event.get("delta" if step == "delta" else whole)
        if isinstance(said, str) and self._keep(len(said)):
            if step != "delta":
                text.said.clear()
            text.said.append(said)
        text.done = text.done or step == "done"

    def _add_annotation(self, event: Mapping[str, object]) -> None:
        item = self._items.get(index_in(event, "output_index"))
        place = ("content", index_in(event, "content_index"))
        if item is not None and place in item.parts:
            part = item.parts[place].fields
            earlier = part.get("annotations")
            known = earlier if isinstance(earlier, list) else []
            part["annotations"] = [*known, event.get("annotation")]

    def _keep(self, chars: int) -> bool:
        self._kept_chars += chars
        return self._kept_chars <= KEPT_CHARS_MAX


def _named(fields: Mapping[str, object]) -> dict[str, object]:
    """What there is to say of an item that is too large to keep."""
    return {name: fields[name] for name in ("id", "type", "status") if name in fields}


def _closing_events(index: int, item: _Item) -> Iterator[dict[str, object]]:
    """What ends an item's open texts, its open parts, and itself; its fields are completed."""
    named = {"item_id": item.fields.get("id"), "output_index": index}
    for (what, which), part in sorted(item.parts.items()):
        text = item.texts.get((what, which))
        if not part.done:
            yield from _closing_part(what, which, part=part, text=text, named=named)
    for (what, which), text in sorted(item.texts.items()):
        if what not in ("content", "summary"):
            item.fields |= {what: text.whole} if what != "action" else {}
            if not text.done:
                yield _text_done(text, which, named=named)
    for what in ("content", "summary"):
        parts = [part.fields for (of, _), part in sorted(item.parts.items()) if of == what]
        item.fields |= {what: parts} if parts else {}
    if "status" in item.fields:
        item.fields["status"] = _BROKEN_OFF.get(kind_of(item.fields), "incomplete")
    yield {"type": "response.output_item.done", "output_index": index, "item": item.fields}


def _closing_part(
    what: str, which: int, *, part: _Part, text: _Text | None, named: Mapping[str, object]
) -> Iterator[dict[str, object]]:
    base = _PART_TEXTS.get(kind_of(part.fields))
    if base is not None:
        said = text or _Text(base)
        _, _, whole = TEXTS[base]
        part.fields[whole] = said.whole
        if not said.done:
            yield _text_done(said, which, named=named)
    kind, place = (
        ("response.content_part.done", "content_index")
        if what == "content"
        else ("response.reasoning_summary_part.done", "summary_index")
    )
    yield {"type": kind, **named, place: which, "part": part.fields}


def _text_done(text: _Text, which: int, *, named: Mapping[str, object]) -> dict[str, object]:
    _, place, whole = TEXTS[text.base]
    event: dict[str, object] = {"type": f"response.{text.base}.done", **named, whole: text.whole}
    if place:
        event[place] = which
    if text.base == "output_text":
        event["logprobs"] = []
    return event


def _no_response(model: str) -> dict[str, object]:
    """For a stream that ends before it began."""
    return {
        "id": "",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _event(event: dict[str, object], number: int) -> bytes:
    numbered = {"type": event["type"], "sequence_number": number} | event
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), orjson.dumps(numbered))
