"""The classes of a usage are disjoint, complete and named like the rates."""

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.usage import Provenance, TokenClass, Usage

USAGES = st.builds(
    Usage, **{name.value: st.integers(min_value=0, max_value=10**9) for name in TokenClass}
)


def test_every_class_is_a_field_and_every_field_a_class():
    names = [field.name for field in fields(Usage)]

    assert [*(name.value for name in TokenClass), "pieces", "service_tier"] == names


@given(usage=USAGES)
def test_input_and_output_add_up_to_the_classes(usage):
    by_class = [getattr(usage, name) for name in TokenClass]

    assert sum(by_class) == usage.total_tokens
    assert usage.input_tokens + usage.output_tokens == usage.total_tokens


@given(usage=USAGES)
def test_a_stored_usage_can_be_read_back(usage):
    stored = usage.nonzero()

    assert usage == Usage(**stored)
    assert all(stored.values())


def test_nothing_used_stores_nothing():
    assert Usage().nonzero() == {}


def test_provenance_is_ordered_best_first():
    assert list(Provenance) == [Provenance.REPORTED, Provenance.COUNTED, Provenance.HELD]
