"""A JSON request body: decoded once, its fields of the right type, the keys that matter given once.

What is inspected has to be what the provider reads. Every refusal is a BadCall that names the
field, what was expected and which type came; never a value. Knows nothing of what fields mean.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.dialects.json_scan import duplicate, member, replaced, spells_letters
from gateway.errors import BadCall

MODEL_CHARS_MAX = 256

_JSON_TYPES = {
    bool: "a boolean",
    int: "an integer",
    float: "a non-integer number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class SingleKeys:
    """Keys a body may have only once: parsers differ on which of two equal ones counts, and the
    provider must not read another value than we did.

    `names` at the top level; `inside`: the names of an object that stands under one of those.
    """

    names: tuple[str, ...]
    inside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _quoted: tuple[tuple[str, bytes], ...] = field(init=False)

    def __post_init__(self) -> None:
        quoted = tuple((name, b'"%b"' % name.encode()) for name in self.names)
        object.__setattr__(self, "_quoted", quoted)

    def twice(self, body: bytes, document: Mapping[str, object]) -> str | None:
        """The first of them that this body has twice. `document` is the body, decoded."""
        # A body without a second such word cannot have one twice: no scan for most.
        suspect = spells_letters(body) or any(
            name in document and body.find(quoted, body.find(quoted) + 1) >= 0
            for name, quoted in self._quoted
        )
        twice = duplicate(body, self.names) if suspect else None
        for name, inner in self.inside.items():
            value = document.get(name)
            if twice is None and value and isinstance(value, dict):
                twice = duplicate(body, inner, start=member(body, name).start)
        return twice


def read_object(body: bytes, single: SingleKeys) -> dict[str, object]:
    """The body, decoded."""
    document = _parsed(body)
    # Most clients write JSON as our own writer does; a text that it writes again to the byte has
    # nothing in it twice, and that is the cheapest way to know.
    if _written(document) != body:
        twice = single.twice(body, document)
        if twice is not None:
            raise BadCall(
                f"{twice} was given more than once; give it once.", details={"param": twice}
            )
    return document


def _parsed(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's error carries the whole body; only the place may travel on.
        place = f"line {error.lineno} column {error.colno}"
        raise BadCall(f"The body is not valid UTF-8 JSON (at {place}).") from None
    if not isinstance(document, dict):
        raise BadCall(f"The body must be a JSON object; {type_name(document)} came.")
    return document


def _written(document: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        # The writer goes 254 levels deep, the parser 1024; no prompt needs more than the former.
        raise BadCall("The body is nested too deep; 250 levels are enough.") from None


def model_name(document: Mapping[str, object]) -> str:
    """The field `model`, which must be there."""
    model = document.get("model")
    if not isinstance(model, str):
        raise wrong("model", "a string", model)
    if not model or len(model) > MODEL_CHARS_MAX or not model.isprintable():
        raise BadCall(
            f"model must be 1 to {MODEL_CHARS_MAX} printable characters.",
            details={"param": "model"},
        )
    return model


def boolean(document: Mapping[str, object], name: str) -> bool:
    """False when missing or null."""
    value = document.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong(name, "a boolean", value)
    return value


def tokens(document: Mapping[str, object], name: str) -> int | None:
    """A number of tokens; None when missing or null."""
    value = document.get(name)
    if value is None:
        return None
    # By type, not isinstance: true is no number here.
    if type(value) is not int:
        raise wrong(name, "a non-negative integer", value)
    if value < 0:
        raise BadCall(f"{name} must not be negative.", details={"param": name})
    return value


def array(document: Mapping[str, object], name: str) -> list[object]:
    """A field that must be there."""
    value = document.get(name)
    if not isinstance(value, list):
        raise wrong(name, "an array", value)
    return value


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in an array; nothing when it is not one."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def kind_of(value: Mapping[str, object]) -> str:
    """An object's `type`; empty where there is none."""
    kind = value.get("type")
    return kind if isinstance(kind, str) else ""


def with_model(body: bytes, model: str) -> bytes:
    """The same bytes but for another value of `model`, which is known to be there."""
    return replaced(body, member(body, "model"), orjson.dumps(model))


def wrong(name: str, expected: str, value: object) -> BadCall:
    """The refusal of a field that has another type; None counts as missing."""
    came = "nothing" if value is None else type_name(value)
    return BadCall(f"{name} must be {expected}; {came} came.", details={"param": name})


def type_name(value: object) -> str:
    return _JSON_TYPES.get(type(value), "another type")
