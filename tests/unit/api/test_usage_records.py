"""What a spreadsheet must not calculate."""

import pytest

from gateway.api.usage_records import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_begins_like_a_formula_is_marked_as_text(text):
    assert f"'{text}" == harmless(text)


@pytest.mark.parametrize("value", ["gpt-5", "a=1", "", -3, 0, True])
def test_other_texts_and_our_own_numbers_stay_as_they_are(value):
    assert value == harmless(value)
