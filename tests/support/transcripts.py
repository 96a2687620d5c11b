"""Recorded and constructed answers with what must be read from them.

`<case>.sse` or `<case>.json` is the answer; `<case>.expected.json` says which usage it reports
(null: none), whether it finished, the texts by stream, and for streams which events a usage
filter hides.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson

ROOT = Path(__file__).parent.parent / "transcripts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    name: str
    content_type: str
    answer: bytes
    choices: int
    usage: dict[str, int] | None
    finished: bool
    texts: dict[str, str]
    extra_tokens: int
    hidden: tuple[bytes, ...]

    @property
    def visible(self) -> bytes:
        """The answer without the events a usage filter hides."""
        visible = self.answer
        for event in self.hidden:
            assert visible.count(event) == 1
            visible = visible.replace(event, b"")
        return visible


def transcripts(dialect: str, *, kind: str | None = None) -> list[Transcript]:
    """All of a dialect, or only its `sse` or `json` ones, by name."""
    return [
        _load(path)
        for path in sorted((ROOT / dialect).glob("*.expected.json"))
        if kind is None or path.with_name(_case(path) + "." + kind).exists()
    ]


def _case(path: Path) -> str:
    return path.name.removesuffix(".expected.json")


def _load(path: Path) -> Transcript:
    expected = orjson.loads(path.read_bytes())
    stream = path.with_name(_case(path) + ".sse")
    answer = stream if stream.exists() else path.with_name(_case(path) + ".json")
    return Transcript(
        name=_case(path),
        content_type="text/event-stream" if stream.exists() else "application/json",
        answer=answer.read_bytes(),
        choices=expected["choices"],
        usage=expected["usage"],
        finished=expected["finished"],
        texts=expected["texts"],
        extra_tokens=expected["extra_tokens"],
        hidden=tuple(event.encode() for event in expected.get("hidden", ())),
    )
