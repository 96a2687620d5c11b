"""Fields of Google's JSON, which may be spelled in camel case or as in the protocol buffers.

Google's parser takes `maxOutputTokens` and `max_output_tokens` for the same field, a number in
quotes for a number, and one object where an array of them is expected; so must whoever inspects
what it is going to read. Source: ProtoJSON format, protobuf.dev (read 2026-11-26).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from gateway.dialects.json_body import SingleKeys, wrong
from gateway.errors import BadCall

_CAPITAL = re.compile(r"[A-Z]")
_WHOLE = re.compile(r"-?\d{1,18}")


@lru_cache(maxsize=256)
def snake(name: str) -> str:
    """`max_output_tokens` for `maxOutputTokens`. Names are ours, so there are few."""
    return _CAPITAL.sub(lambda capital: "_" + capital[0].lower(), name)


def value(fields: Mapping[str, object], name: str) -> object:
    """In whichever spelling it came; None when missing."""
    found = fields.get(name)
    return fields.get(snake(name)) if found is None else found


def text(fields: Mapping[str, object], name: str) -> str:
    """Empty when missing or of another type."""
    found = value(fields, name)
    return found if isinstance(found, str) else ""


def objects(found: object) -> Sequence[Mapping[str, object]]:
    """The objects of an array, or the one that stands in its place."""
    if isinstance(found, dict):
        return (found,)
    if isinstance(found, list):
        return [each for each in found if isinstance(each, dict)]
    return ()


def whole_number(fields: Mapping[str, object], name: str) -> int | None:
    """None when missing or null."""
    found = value(fields, name)
    if found is None:
        return None
    # By type, not isinstance: true is no number here.
    if type(found) is int:
        return found
    if isinstance(found, str) and _WHOLE.fullmatch(found):
        return int(found)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    raise wrong(name, "an integer", found)


def single_keys(names: Iterable[str], inside: Mapping[str, Iterable[str]]) -> SingleKeys:
    """As `SingleKeys`, in both spellings."""
    return SingleKeys(
        names=_spelled(names),
        inside={
            spelled: _spelled(inner)
            for name, inner in inside.items()
            for spelled in _spelled([name])
        },
    )


def refuse_two_spellings(fields: Mapping[str, object], names: Iterable[str]) -> None:
    """Which of the two Google's parser believes is its own business."""
    for name in names:
        if name in fields and snake(name) != name and snake(name) in fields:
            raise BadCall(
                f"{name} was given as {snake(name)} as well; give it once.",
                details={"param": name},
            )


def _spelled(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spelled for name in names for spelled in (name, snake(name))))
