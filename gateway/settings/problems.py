"""What is wrong with a configuration: collected, never raised one by one.

A problem says where (file and line), which setting, what was expected and what came, and what
to do. It never carries a secret: `describe` shows values, so secrets are not given to it.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from gateway.settings.documents import Node

# Longer values are named by their length: a message is read in a terminal.
SHOWN_CHARS_MAX = 60
# How credentials of the vendors we know, and our own keys, begin.
SECRET_PREFIXES = ("sk-", "tk_", "AIza", "Bearer ", "key-")


@dataclass(frozen=True, slots=True)
class Problem:
    file: str
    line: int
    path: str
    reason: str
    suggestion: str

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {place}{self.reason}. {self.suggestion}"


class Problems:
    """The list every step of loading adds to.

    One problem a place: what is found there later is mostly a consequence of the first.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str], Problem] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, node: Node, reason: str, *, suggestion: str) -> None:
        problem = Problem(node.file, node.line, node.path, reason, suggestion)
        self._found.setdefault((node.file, node.line, node.path), problem)

    def add_missing(self, block: Node, key: str, reason: str, *, suggestion: str) -> None:
        """A key that should be there; unless it is, and wrong, which was said already."""
        if not self.about(block, key):
            here = Node(block.file, block.line, _below(block, key), None)
            self.add(here, reason, suggestion=suggestion)

    def about(self, block: Node, key: str) -> bool:
        """Whether something is known to be wrong with that key, or with anything below it."""
        path = _below(block, key)
        return any(
            problem.file == block.file
            and (problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")))
            for problem in self._found.values()
        )

    def ordered(self) -> tuple[Problem, ...]:
        """By file in the order of reading (the first problem's file first), then by line."""
        found = self._found.values()
        files = list(dict.fromkeys(problem.file for problem in found))
        return tuple(sorted(found, key=lambda p: (files.index(p.file), p.line, p.path)))


def _below(block: Node, key: str) -> str:
    return f"{block.path}.{key}" if block.path else key


def did_you_mean(name: str, known: list[str]) -> str:
    """A suggestion: the closest known name, else all of them."""
    if close := get_close_matches(name, known, n=1, cutoff=0.6):
        return f"Did you mean {close[0]!r}?"
    if not known:
        return "Remove it."
    return f"Known here: {', '.join(sorted(known))}."


def describe(value: object) -> str:
    """What came, for a message; text that looks like a credential is not shown."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return f"the boolean {str(value).lower()}"
        case dict():
            return "a mapping"
        case tuple():
            return "a list"
        case str():
            return _describe_text(value)
        case _:
            return f"the number {value}"


def _describe_text(text: str) -> str:
    if text.startswith(SECRET_PREFIXES) or ("://" in text and "@" in text):
        return "text that looks like a secret"
    if len(text) > SHOWN_CHARS_MAX:
        return f"text of {len(text)} characters"
    return f"the text {text!r}"
