"""Recorded and constructed answers with what must be read from them.

`<case>.sse`, `<case>.json` or `<case>.bin` is the answer; `<case>.expected.json` says what a reader
must tell of it: `usage` (nonzero classes and pieces by name; null: none is reported), `texts` by
stream, `extra` (what is in no text, nonzero), and where they matter

- `request`, `path`, `segments`, `query`: what the call is read from; without a request the call
  is `choices` answers of a model "m", streamed if the answer is an event stream;
- `by_piece`: what the request owes, by name, where the model is sold by that;
- `content_type` of the answer, else by its suffix;
- `hidden`: the events that a usage filter takes out;
- `service_tier` and `unmapped` of what is reported;
- `jobs`: what it tells of jobs, by their ids: `phase`, `told` (as `told_of` writes it), `results`;
- `recorded`: for an answer that a provider really gave, where its recording is published; its
  usage is the truth that our own count is measured by (`counts.py`). `kind` says what it is a
  case of there. Answers without it are constructed after their formats' documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from gateway.dialects import DIALECTS
from gateway.dialects.base import AnswerReader, Request
from gateway.metering.call import ByPiece, Call, sold_by_piece

ROOT = Path(__file__).parent.parent / "transcripts"
CONTENT_TYPES = {
    ".sse": "text/event-stream",
    ".json": "application/json",
    ".bin": "application/octet-stream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    dialect: str
    name: str
    content_type: str
    answer: bytes
    call: Call
    usage: Mapping[str, int] | None
    texts: Mapping[str, str]
    extra: Mapping[str, int]
    hidden: tuple[bytes, ...]
    service_tier: str = ""
    unmapped: Mapping[str, float] = field(default_factory=dict)
    jobs: Mapping[str, object] | None = None
    recorded: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"

    @property
    def visible(self) -> bytes:
        """The answer without the events a usage filter hides."""
        visible = self.answer
        for event in self.hidden:
            assert visible.count(event) == 1
            visible = visible.replace(event, b"")
        return visible

    def reader(self) -> AnswerReader:
        return DIALECTS[self.dialect].answer_reader(self.call, content_type=self.content_type)


def transcripts(dialect: str, *, kind: str | None = None) -> list[Transcript]:
    """All of a dialect, or only its `sse`, `json` or `bin` ones, by name."""
    found = [_load(path) for path in sorted((ROOT / dialect).glob("*.expected.json"))]
    return [each for each in found if kind in (None, _suffix(dialect, each.name)[1:])]


def _suffix(dialect: str, case: str) -> str:
    return next(suffix for suffix in CONTENT_TYPES if (ROOT / dialect / f"{case}{suffix}").exists())


def _load(path: Path) -> Transcript:
    expected = orjson.loads(path.read_bytes())
    dialect, case = path.parent.name, path.name.removesuffix(".expected.json")
    suffix = _suffix(dialect, case)
    return Transcript(
        dialect=dialect,
        name=case,
        content_type=expected.get("content_type", CONTENT_TYPES[suffix]),
        answer=path.with_name(case + suffix).read_bytes(),
        call=_call(dialect, expected, stream=suffix == ".sse"),
        usage=expected["usage"],
        texts=expected["texts"],
        extra=expected["extra"],
        hidden=tuple(event.encode() for event in expected.get("hidden", ())),
        service_tier=expected.get("service_tier", ""),
        unmapped=expected.get("unmapped", {}),
        jobs=expected.get("jobs"),
        recorded=expected.get("recorded", ""),
        kind=expected.get("kind", ""),
    )


def _call(dialect: str, expected: Mapping[str, object], *, stream: bool) -> Call:
    call = _asked(dialect, expected, stream=stream)
    if "by_piece" not in expected:
        return call
    pieces = tuple(expected["by_piece"].items())  # type: ignore[attr-defined]
    return sold_by_piece(replace(call, by_piece=ByPiece(most=pieces, owed=pieces)))


def _asked(dialect: str, expected: Mapping[str, object], *, stream: bool) -> Call:
    if "request" not in expected:
        return Call(model="m", stream=stream, choices=int(str(expected.get("choices", 1))))
    request = Request(
        body=orjson.dumps(expected["request"]),
        path=str(expected.get("path", "")),
        segments=expected.get("segments", {}),  # type: ignore[arg-type]
        query=expected.get("query", {}),  # type: ignore[arg-type]
    )
    return DIALECTS[dialect].read_call(request)
