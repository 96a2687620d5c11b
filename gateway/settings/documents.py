"""YAML read strictly: a tree in which every value knows its file, line and path.

YAML 1.2's core scalars (https://yaml.org/spec/1.2.2/#103-core-schema), built straight from
libyaml's events, so nothing of YAML 1.1 gets in: `on` is text, `1e-6` a number, `12:30` text.
Fractions become `Decimal`, exactly as written. What is refused: duplicate keys, anchors and
aliases, tags, several documents, deep nesting, and numbers two YAML versions read differently.

Knows nothing of what the settings mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import yaml

# The deepest setting sits six levels down.
DEPTH_MAX = 24
# A file of prices for 2 000 models has 400 KB.
FILE_BYTES_MAX = 4 * 1024 * 1024
# Beyond 2**53 no amount is valid, and long digit strings are slow to convert.
NUMBER_CHARS_MAX = 40

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


@dataclass(slots=True)
class Node:
    """A value and where it stands. `value`: a dict or list of nodes, or a scalar."""

    file: str
    line: int
    path: str
    value: object

    def plain(self) -> object:
        """The value without positions, as a validator wants it: dicts, tuples, scalars."""
        match self.value:
            case dict():
                return {key: child.plain() for key, child in self.value.items()}
            case list():
                return tuple(child.plain() for child in self.value)
            case scalar:
                return scalar

    def at(self, *steps: str | int) -> "Node":
        """The node below, or as far as there is one."""
        node = self
        for step in steps:
            below = node.child(step)
            if below is None:
                return node
            node = below
        return node

    def child(self, step: str | int) -> "Node | None":
        match self.value:
            case dict():
                found = self.value.get(step)
                return found if isinstance(found, Node) else None
            case list() if isinstance(step, int) and step < len(self.value):
                found = self.value[step]
                return found if isinstance(found, Node) else None
            case _:
                return None

    def keys(self) -> list[str]:
        return list(self.value) if isinstance(self.value, dict) else []


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a file cannot be read as strict YAML."""

    node: Node
    reason: str
    suggestion: str


class _Unreadable(Exception):
    """Nothing behind this flaw can be trusted."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.reason)
        self.flaw = flaw


def parse(text: str, *, file: str) -> tuple[Node | None, list[Flaw]]:
    """The tree of a file's text, and every flaw; no tree when the syntax itself is broken."""
    return _Builder(file, text).build()


class _Builder:
    """Turns libyaml's events into nodes, going on after flaws that leave the structure clear."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._flaws: list[Flaw] = []
        self._events: Iterator[yaml.Event] = iter(())

    def build(self) -> tuple[Node | None, list[Flaw]]:
        try:
            self._events = yaml.parse(self._text, Loader=yaml.CSafeLoader)
            return self._document(), self._flaws
        except _Unreadable as unreadable:
            return None, [*self._flaws, unreadable.flaw]
        except yaml.YAMLError as error:
            return None, [*self._flaws, self._syntax_flaw(error)]

    def _document(self) -> Node:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise _Unreadable(
                Flaw(Node(self._file, 1, "", None), "the file is empty", _START_WITH_SAMPLE)
            )
        root = self._node(next(self._events), path="", depth=0, line=None)
        next(self._events)  # document end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._flaw(
                _line(after),
                "",
                "expected one YAML document, came a second one",
                suggestion="Remove the '---' and merge the two.",
            )
        return root

    def _node(self, event: yaml.Event, *, path: str, depth: int, line: int | None) -> Node:
        line = line or _line(event)
        if depth > DEPTH_MAX:
            where = Node(self._file, line, "", None)
            raise _Unreadable(Flaw(where, f"nested deeper than {DEPTH_MAX} levels", _TOO_DEEP))
        self._refuse_extras(event, line, path)
        match event:
            case yaml.MappingStartEvent():
                return Node(self._file, line, path, self._mapping(path, depth))
            case yaml.SequenceStartEvent():
                return Node(self._file, line, path, self._sequence(path, depth))
            case yaml.ScalarEvent():
                return Node(self._file, line, path, self._scalar(event, line, path))
            case _:
                return Node(self._file, line, path, None)

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            name = self._key(key, path, depth)
            below = f"{path}.{name}" if path and name else name or path
            node = self._node(next(self._events), path=below, depth=depth + 1, line=_line(key))
            if name is None:
                continue
            if name in entries:
                self._flaw(
                    _line(key),
                    below,
                    f"the key stands here twice, first on line {entries[name].line}",
                    suggestion="Keep one of them.",
                )
            entries.setdefault(name, node)
        return entries

    def _key(self, event: yaml.Event, path: str, depth: int) -> str | None:
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_extras(event, _line(event), path)
            return str(event.value)
        if not isinstance(event, yaml.AliasEvent):
            # Read past it, so that the rest of the file is still checked.
            self._node(event, path=path, depth=depth + 1, line=None)
        self._flaw(
            _line(event),
            path,
            "expected a name as key, came a collection or alias",
            suggestion="Put text with braces or brackets in quotes.",
        )
        return None

    def _sequence(self, path: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            below = f"{path}[{len(items)}]"
            items.append(self._node(event, path=below, depth=depth + 1, line=None))
        return items

    def _scalar(self, event: yaml.ScalarEvent, line: int, path: str) -> object:
        text = str(event.value)
        # Quoted and block scalars are text whatever they look like.
        if event.style:
            return text
        if reason := _unclear(text):
            self._flaw(line, path, reason, suggestion=_PLAIN_NUMBER)
            return None
        return _plain_scalar(text)

    def _refuse_extras(self, event: yaml.Event, line: int, path: str) -> None:
        """Anchors and aliases make bombs, tags make objects; no setting needs them."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._flaw(
                line,
                path,
                "expected a plain value, came a YAML anchor or alias (& or *)",
                suggestion='Write the value out, or quote it if it is text: "*".',
            )
        elif getattr(event, "tag", None) is not None:
            self._flaw(
                line,
                path,
                "expected a plain value, came a YAML tag (!)",
                suggestion="Remove the tag, or quote the text.",
            )

    def _flaw(self, line: int, path: str, reason: str, *, suggestion: str) -> None:
        self._flaws.append(Flaw(Node(self._file, line, path, None), reason, suggestion))

    def _syntax_flaw(self, error: yaml.YAMLError) -> Flaw:
        """libyaml's complaint without its excerpt, which may show a secret."""
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
            line = error.problem_mark.line + 1
            reason = f"not valid YAML: {error.problem or error.context}"
        else:
            line = self._text.count("\n", 0, getattr(error, "position", 0)) + 1
            reason = "not valid YAML: a control character"
        lines = self._text.splitlines()
        here = lines[line - 1] if line <= len(lines) else ""
        tabs = "\t" in here[: len(here) - len(here.lstrip())]
        return Flaw(Node(self._file, line, "", None), reason, _NO_TABS if tabs else _LOOK_THERE)


_START_WITH_SAMPLE = "Start from the sample in config/."
_TOO_DEEP = "No setting needs that: check the brackets and the indentation."
_NO_TABS = "Indent with spaces: YAML does not allow tabs."
_LOOK_THERE = "Look there and just above: indentation, a missing quote, colon or bracket."
_PLAIN_NUMBER = "Write a plain decimal number such as 12 or 0.5, or quote it if it is text."


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark is not None else 1


def _unclear(text: str) -> str:
    """Why this plain scalar is refused; empty when its meaning is beyond doubt."""
    if _LEADING_ZERO.fullmatch(text):
        return f"{text[:NUMBER_CHARS_MAX]} is octal to some YAML readers, decimal to others"
    if _NOT_FINITE.fullmatch(text):
        return f"expected a finite number, came {text}"
    if len(text) > NUMBER_CHARS_MAX and (_FRACTION.fullmatch(text) or _OTHER_BASE.fullmatch(text)):
        return f"a number of {len(text)} digits is out of any range"
    return ""


def _plain_scalar(text: str) -> object:
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FRACTION.fullmatch(text):
        return Decimal(text)
    return text
