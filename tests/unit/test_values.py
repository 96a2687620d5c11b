"""Values made by a maker are those that their class makes."""

from dataclasses import field

import pytest

from gateway.values import call_value, maker, small_value


@call_value
class Named:
    first: int
    second: str = "second"
    third: list[int] = field(default_factory=list)


@small_value
class Ordered:
    first: int
    second: int = 2


def test_a_maker_makes_what_the_class_makes() -> None:
    make = maker(Named)
    assert make(first=1) == Named(first=1)
    assert make(first=1, second="2", third=[3]) == Named(first=1, second="2", third=[3])
    assert maker(Ordered)(1) == Ordered(1)


def test_each_value_has_a_default_of_its_own() -> None:
    make = maker(Named)
    assert make(first=1).third is not make(first=1).third


def test_a_field_without_a_default_must_be_given() -> None:
    with pytest.raises(TypeError, match="first"):
        maker(Named)()  # type: ignore[call-arg]


def test_values_of_equal_fields_are_equal_and_keys() -> None:
    assert {Ordered(1, 2): "here"}[Ordered(1)] == "here"
