"""What differs between two configurations, in words that may stand in a log.

Walks frozen values: dataclasses, mappings, tuples. A field that is kept out of `repr` is a secret:
that it changed is told, what it is never.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import zip_longest

from gateway.settings.values import Settings

CHANGES_MAX = 50
VALUE_CHARS_MAX = 60
# Change with every other change.
_TELL_NOTHING = frozenset({"digest", "files"})
_MISSING = object()


def changes(old: Settings, new: Settings) -> Sequence[str]:
    """A line for each changed value, `place: old → new`; after CHANGES_MAX, how many more."""
    lines = list(_changes("", old, new))
    more = len(lines) - CHANGES_MAX
    return lines if more <= 0 else [*lines[:CHANGES_MAX], f"and {more} more"]


def fixed_changes(old: Settings, new: Settings) -> Sequence[str]:
    """What changed and is settled when the gateway starts: where it listens, where its money is."""
    pairs = {
        "listen.host": (old.listen.host, new.listen.host),
        "listen.port": (old.listen.port, new.listen.port),
        "listen.workers": (old.listen.workers, new.listen.workers),
        "admin": (old.admin, new.admin),
        "store": (old.store, new.store),
    }
    return [name for name, (before, after) in pairs.items() if before != after]


def _changes(place: str, old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if is_dataclass(old) and type(old) is type(new):
        yield from _of_fields(place, old, new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}, key=str):
            at = _at(place, str(key))
            yield from _changes(at, old.get(key, _MISSING), new.get(key, _MISSING))
    elif isinstance(old, tuple) and isinstance(new, tuple):
        for index, pair in enumerate(zip_longest(old, new, fillvalue=_MISSING)):
            yield from _changes(f"{place}[{index}]", *pair)
    else:
        yield f"{place}: {_shown(old)} → {_shown(new)}"


def _of_fields(place: str, old: object, new: object) -> Iterator[str]:
    for each in fields(old):  # type: ignore[arg-type]  # a dataclass, by the caller's look
        if not each.compare or (not place and each.name in _TELL_NOTHING):
            continue
        before, after = getattr(old, each.name), getattr(new, each.name)
        at = _at(place, each.name)
        if each.repr:
            yield from _changes(at, before, after)
        elif before != after:
            yield f"{at}: changed"


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shown(value: object) -> str:
    """A value's `repr` leaves its secrets out."""
    if value is _MISSING:
        return "—"
    text = str(value) if isinstance(value, str | int | float) else repr(value)
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 1]}…"
