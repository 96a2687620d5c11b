"""Finding a path among hundreds of patterns, in the time one of them takes.

A tree of segments. At each, the segment as it stands is tried first, then a name in its place.
Nothing is decoded or resolved: an empty segment, `.`, `..` or a percent sign matches no name.
"""

import re
from collections.abc import Sequence
from typing import Generic, TypeVar

from gateway.dialects.endpoint import ALL_BELOW, ANY_METHOD

Row = TypeVar("Row")

_PART = r"(?!\.{1,2}(?:%|$))[A-Za-z0-9._:@+~-]+(?:%3[Aa][A-Za-z0-9._:@+~-]*)*"
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:@+~-]+")
# An ARN. Whoever decodes it must not find a path in it that leads elsewhere.
_ENCODED_NAME = re.compile(rf"{_PART}(?:%2[Ff]{_PART})*")
_PLACEHOLDER = re.compile(r"\{(?P<name>\w+)(?P<encoded>%?)\}(?P<verb>(?::\w+)?)")


def names_of(pattern: str) -> Sequence[str]:
    """The names in a pattern, in order."""
    return [found["name"] for found in _PLACEHOLDER.finditer(pattern)]


class PathTree(Generic[Row]):
    """Patterns with a row each. `verbs`: a colon in the last segment begins a verb."""

    def __init__(self, *, verbs: bool) -> None:
        self._verbs = verbs
        self._root: _Node[Row] = _Node()

    def add(self, method: str, pattern: str, row: Row) -> None:
        """Refuses (AssertionError) a pattern that matches what another one already does."""
        node = self._root
        for segment in pattern.split("/"):
            if segment == ALL_BELOW:
                assert method == ANY_METHOD, pattern
                assert node.below is None, pattern
                node.below = row
                return
            node = node.grown(segment)
        assert method not in node.rows, f"{method} {pattern} stands in the tables twice"
        node.rows[method] = row

    def find(self, method: str, path: str) -> tuple[Row, list[str]] | None:
        """The row of a path, and what stands for its pattern's names, in order."""
        names: list[str] = []
        row = self._find(self._root, method, path.split("/"), 0, names)
        return None if row is None else (row, names)

    def _find(
        self, node: "_Node[Row]", method: str, segments: list[str], at: int, names: list[str]
    ) -> Row | None:
        if at == len(segments):
            return node.rows.get(method, node.below)
        segment = segments[at]
        child = node.literals.get(segment)
        if child is not None:
            row = self._find(child, method, segments, at + 1, names)
            if row is not None:
                return row
        name, verb = segment, ""
        if self._verbs and at + 1 == len(segments) and ":" in segment:
            colon = segment.index(":")
            name, verb = segment[:colon], segment[colon:]
        rule, child = node.named.get(verb, (_NAME, None))
        if child is not None and rule.fullmatch(name):
            names.append(name)
            row = self._find(child, method, segments, at + 1, names)
            if row is not None:
                return row
            names.pop()
        return node.below


class _Node(Generic[Row]):
    """All patterns that begin alike."""

    __slots__ = ("below", "literals", "named", "rows")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[Row]] = {}
        # By verb with its colon, "" without one.
        self.named: dict[str, tuple[re.Pattern[str], _Node[Row]]] = {}
        self.rows: dict[str, Row] = {}
        self.below: Row | None = None

    def grown(self, segment: str) -> "_Node[Row]":
        """The node one segment further, made if it is new."""
        placeholder = _PLACEHOLDER.fullmatch(segment)
        if placeholder is None:
            assert not set(segment) & set("{}%"), segment
            return self.literals.setdefault(segment, _Node())
        rule = _ENCODED_NAME if placeholder["encoded"] else _NAME
        known, node = self.named.setdefault(placeholder["verb"], (rule, _Node()))
        assert known is rule, segment
        return node
