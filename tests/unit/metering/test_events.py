"""What is read of an event as it was stored, which may have been written by another version."""

from gateway.metering.events import all_in, usage_in
from gateway.metering.usage import NOTHING, Usage


def test_names_are_read_together() -> None:
    assert ("x", "y") == all_in({"b": "y", "a": "x"}, ("a", "b"), "")
    assert (1, 2) == all_in({"b": 2, "a": 1}, ("a", "b"), 0)


def test_what_is_not_as_we_write_it_is_nothing() -> None:
    assert ("x", "", "") == all_in({"a": "x", "b": 3, "c": None}, ("a", "b", "c"), "")
    assert (0, 2) == all_in({"a": "1", "b": 2}, ("a", "b"), 0)
    assert NOTHING == usage_in({}) == usage_in({"usage": [1]})
    strange = {"input_uncached": "2", "output_text": 3, "another": 4, "pieces": 5}
    assert Usage(output_text=3) == usage_in({"usage": strange})
