"""The classes of a usage are disjoint, complete and named like the rates."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.usage import NOTHING, Provenance, TokenClass, Usage

COUNTS = st.integers(min_value=0, max_value=10**9)
USAGES = st.builds(Usage, **{name.value: COUNTS for name in TokenClass})
WITH_PIECES = st.builds(
    lambda usage, pieces: replace(usage, pieces=tuple(sorted(pieces.items()))),
    USAGES,
    st.dictionaries(st.sampled_from(["audio_second", "image", "image.hd", "web_search"]), COUNTS),
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


@given(one=WITH_PIECES, other=WITH_PIECES)
def test_both_together_are_the_sum_of_every_part(one, other):
    both = one + other

    for name in TokenClass:
        assert getattr(one, name) + getattr(other, name) == getattr(both, name)
    for name, count in both.pieces:
        assert dict(one.pieces).get(name, 0) + dict(other.pieces).get(name, 0) == count
    assert {name for name, _ in (*one.pieces, *other.pieces)} == {name for name, _ in both.pieces}
    assert sorted(both.pieces) == list(both.pieces)


@given(one=WITH_PIECES, other=WITH_PIECES, third=WITH_PIECES)
def test_usages_add_up_in_any_order(one, other, third):
    assert one + other == other + one
    assert (one + other) + third == one + (other + third)
    assert one + NOTHING == one


def test_the_tier_is_that_of_whichever_names_one():
    batch, plain, flex = Usage(service_tier="batch"), Usage(), Usage(service_tier="flex")

    assert ["batch", "batch", "batch"] == [
        both.service_tier for both in (batch + plain, plain + batch, batch + flex)
    ]


@given(usage=WITH_PIECES)
def test_the_input_part_has_no_output_and_no_pieces(usage):
    part = usage.input_part

    assert (usage.input_tokens, 0, ()) == (part.input_tokens, part.output_tokens, part.pieces)
