"""Values made for every call: frozen to the type checker, plain at run time.

A frozen dataclass sets each field through `object.__setattr__`, and a class that is called with
names has them put into a dictionary and taken out again: six fields cost 7 300 instructions frozen
and 3 600 by name, 1 900 made by a function of the same arguments (Python 3.11), and a call makes
two dozen values. mypy refuses to change them either way.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Arguments = ParamSpec("Arguments")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def call_value(cls: type[T]) -> type[T]:
    """Like `@dataclass(frozen=True, slots=True, kw_only=True)`, without the cost."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True)
def small_value(cls: type[T]) -> type[T]:
    """The same for a few fields that are given in their order."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


def maker(cls: Callable[Arguments, T]) -> Callable[Arguments, T]:
    """What makes such values as the class does, for where each call makes one. More than fifteen
    names in one call go through a dictionary whoever is called."""
    made = fields(cast("type[DataclassInstance]", cls))
    names: dict[str, Any] = {"new": object.__new__, "cls": cls, "MISSING": MISSING}
    parameters = ", ".join(_parameter(each, names) for each in made)
    by_name = "*, " if made[0].kw_only else ""
    lines = [f"def make({by_name}{parameters}):", "made = new(cls)"]
    for each in made:
        if each.default_factory is not MISSING:
            names[f"factory_{each.name}"] = each.default_factory
            lines.append(f"if {each.name} is MISSING: {each.name} = factory_{each.name}()")
        lines.append(f"made.{each.name} = {each.name}")
    # As the dataclasses make their `__init__`: of names that stand in our own source.
    exec("\n ".join([*lines, "return made"]), names)  # noqa: S102
    return cast(Callable[Arguments, T], names["make"])


def _parameter(each: "Field[object]", names: dict[str, Any]) -> str:
    if each.default is MISSING and each.default_factory is MISSING:
        return each.name
    names[f"default_{each.name}"] = each.default
    return f"{each.name}=default_{each.name}"
