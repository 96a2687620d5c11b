import pytest

from gateway.dialects import gemini_fields
from gateway.errors import BadCall


def test_a_field_is_found_in_either_spelling():
    assert 1 == gemini_fields.value({"maxOutputTokens": 1}, "maxOutputTokens")
    assert 2 == gemini_fields.value({"max_output_tokens": 2}, "maxOutputTokens")
    assert 3 == gemini_fields.value(
        {"max_output_tokens": 3, "maxOutputTokens": None}, "maxOutputTokens"
    )
    assert None is gemini_fields.value({"maxoutputtokens": 4}, "maxOutputTokens")


def test_one_object_may_stand_where_an_array_is_expected():
    assert ({"a": 1},) == gemini_fields.objects({"a": 1})
    assert [{"a": 1}] == gemini_fields.objects([{"a": 1}, 2, None])
    assert [(), (), ()] == [gemini_fields.objects(other) for other in (None, "x", 1)]


@pytest.mark.parametrize(
    ("given", "number"), [(7, 7), ("7", 7), ("-7", -7), (7.0, 7), (None, None)]
)
def test_a_number_may_be_written_in_any_way_googles_parser_takes(given, number):
    assert number == gemini_fields.whole_number({"n": given}, "n")


@pytest.mark.parametrize("given", [True, "seven", "7.5", 7.5, [7], {}, "9" * 30])
def test_what_is_no_whole_number_is_refused(given):
    with pytest.raises(BadCall, match="candidateCount must be an integer") as refused:
        gemini_fields.whole_number({"candidate_count": given}, "candidateCount")

    assert {"param": "candidateCount"} == refused.value.details


def test_a_field_in_both_spellings_is_refused():
    fields = {"systemInstruction": {}, "system_instruction": {}, "contents": []}

    gemini_fields.refuse_two_spellings(fields, ("contents",))
    with pytest.raises(BadCall, match="systemInstruction was given as system_instruction as well"):
        gemini_fields.refuse_two_spellings(fields, ("contents", "systemInstruction"))
