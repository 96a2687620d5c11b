"""A document against its schema: every mistake becomes a problem, and what is right stays usable.

After the first round the wrong parts are cut out and the rest is read again, so that rules
between settings are checked in the same run. Whoever gets a `partial` result must still look at
the problems.
"""

from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.settings.documents import Node
from gateway.settings.fields import WRONG, Block
from gateway.settings.problems import Problems, describe, did_you_mean

B = TypeVar("B", bound=Block)

# Each round cuts at least one wrong part; the parts nest no deeper than this.
ROUNDS_MAX = 8
# What stands under these keys is a secret or refers to one: its value is never shown.
SECRET_KEYS = frozenset({"credential", "secret", "secrets", "pepper", "url", "api_key", "password"})

EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text like {pattern}",
    "too_short": "at least {min_length} entry",
    "decimal_max_digits": "a number of at most {max_digits} digits",
    "decimal_max_places": "at most {decimal_places} decimals",
    "decimal_whole_digits": "a number of at most {whole_digits} digits before the point",
    WRONG: "{expected}",
}


def validated(document: Node, schema: type[B], problems: Problems) -> B | None:
    """The document as `schema` sees it; None when nothing of it can be used.

    Cuts what is wrong out of `document`.
    """
    for round_number in range(ROUNDS_MAX):
        try:
            return schema.model_validate(document.plain())
        except ValidationError as error:
            details = error.errors(include_url=False)
        if round_number == 0:
            for detail in _causes(details):
                _report(document, schema, detail, problems=problems)
        _cut(document, [_steps(detail["loc"]) for detail in details])
    return None


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists said to be too short because their items are wrong."""
    places = [_steps(detail["loc"]) for detail in details]
    return [
        detail
        for detail, place in zip(details, places, strict=True)
        if detail["type"] != "too_short"
        or not any(other != place and other[: len(place)] == place for other in places)
    ]


def _report(
    document: Node, schema: type[Block], detail: ErrorDetails, *, problems: Problems
) -> None:
    steps = _steps(detail["loc"])
    node = document.at(*steps)
    kind = detail["type"]
    name = str(steps[-1]) if steps else ""
    if kind == "extra_forbidden":
        block = _block_at(schema, steps[:-1])
        taken = set(document.at(*steps[:-1]).keys())
        known = [key for key in (block.model_fields if block else {}) if key not in taken]
        meant = block.elsewhere_called.get(name) if block else None
        suggestion = f"It is called {meant!r} here." if meant else did_you_mean(name, known)
        problems.add(node, "unknown key", suggestion=suggestion)
    elif kind == "missing":
        field = _field_at(schema, steps)
        suggestion = f"Add {name}: {_what(field)}"
        problems.add_missing(node, name, "this key is required", suggestion=suggestion)
    else:
        context = detail.get("ctx", {})
        expected = EXPECTED.get(kind, detail["msg"]).format_map(context)
        key = next((str(step) for step in reversed(steps) if isinstance(step, str)), "")
        came = context.get("came") or _came(key, detail["input"])
        suggestion = _suggestion(schema, steps, detail)
        problems.add(node, f"expected {expected}, came {came}", suggestion=suggestion)


def _came(name: str, value: object) -> str:
    if name in SECRET_KEYS and isinstance(value, str):
        return "text that is not shown here"
    return describe(value)


def _suggestion(schema: type[Block], steps: tuple[str | int, ...], detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == WRONG:
        return str(context["suggestion"])
    if kind == "bool_type":
        return "Write true or false, without quotes."
    if kind == "string_type" and not isinstance(value, dict | tuple | NoneType):
        return "Put it in quotes to make it text."
    if kind == "int_type" and isinstance(value, str) and value.isdigit():
        return f"Write {value} without quotes."
    field = _field_at(schema, steps)
    if kind == "literal_error" and isinstance(value, str):
        return did_you_mean(value, _options(field.annotation if field else None))
    return _what(field)


def _what(field: FieldInfo | None) -> str:
    """What a setting means, and its default: the line of the reference."""
    if field is None:
        return "See docs/configuration.md."
    text = (field.description or "See docs/configuration.md.").replace("\n", " ")
    default = field.get_default()
    if field.is_required() or isinstance(default, Block | tuple | dict | NoneType):
        return text
    return f"{text} Default: {default}."


def _options(annotation: Any) -> list[str]:  # noqa: ANN401 - annotations have no type
    """The words a literal allows, wherever it stands in the annotation."""
    if get_origin(annotation) is Literal:
        return [str(option) for option in get_args(annotation)]
    return [word for argument in get_args(annotation) for word in _options(argument)]


def _steps(location: tuple[int | str, ...]) -> tuple[str | int, ...]:
    """The place without pydantic's own marks: union tags in angle brackets, and `[key]`."""
    return tuple(
        step
        for step in location
        if isinstance(step, int)
        or not (step == "[key]" or (step.startswith("<") and step.endswith(">")))
    )


def _cut(document: Node, places: list[tuple[str | int, ...]]) -> None:
    """Remove the values at those places; where it is an absence that is wrong, what lacks it."""
    # Found first, removed after: removing shifts the numbers of what follows in a list.
    for parent, wrong in [_wrong_part(document, steps) for steps in places]:
        if isinstance(parent.value, dict):
            parent.value = {key: node for key, node in parent.value.items() if node is not wrong}
        elif isinstance(parent.value, list):
            parent.value = [node for node in parent.value if node is not wrong]


def _wrong_part(document: Node, steps: tuple[str | int, ...]) -> tuple[Node, Node]:
    """The innermost value there is on the way to that place, after the one holding it."""
    parent = node = document
    for step in steps:
        below = node.child(step)
        if below is None:
            break
        parent, node = node, below
    return parent, node


def _field_at(schema: type[Block], steps: tuple[str | int, ...]) -> FieldInfo | None:
    """The setting at that place; for an item of a plain list or mapping, what holds it."""
    if not steps:
        return None
    block = _block_at(schema, steps[:-1])
    return block.model_fields.get(str(steps[-1])) if block else _field_at(schema, steps[:-1])


def _block_at(schema: type[Block], steps: tuple[str | int, ...]) -> type[Block] | None:
    """The schema of the mapping at that place."""
    here: Any = schema
    for step in steps:
        block = _block_in(here)
        field = block.model_fields.get(str(step)) if block is not None else None
        here = field.annotation if field is not None else _item_in(here)
    return _block_in(here)


def _block_in(annotation: Any) -> type[Block] | None:  # noqa: ANN401 - annotations have no type
    """The block an annotation is, or offers among other things; not one inside a collection."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Block) else None
    if get_origin(annotation) in (tuple, dict):
        return None
    found = (_block_in(argument) for argument in get_args(annotation))
    return next((block for block in found if block is not None), None)


def _item_in(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no type
    """What a list or mapping holds; None when the annotation offers neither."""
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0]
    found = (_item_in(argument) for argument in get_args(annotation))
    return next((item for item in found if item is not None), None)
