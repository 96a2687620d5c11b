import pytest

from gateway.dialects.json_scan import (
    duplicate,
    elements,
    member,
    members,
    replaced_each,
    spells_letters,
)


def found(text: bytes) -> list[tuple[str, bytes]]:
    return [(one.key, text[one.start : one.end]) for one in members(text)]


def test_members_are_found_with_the_bytes_of_their_values():
    text = (
        b' \n{ "a" : 1 , "b":"x\\"},{" ,\t"c":{"a":[1,{"d":"]}"}]},"d":[] ,'
        b'"e":null,"f":-1.5e3}\r\n '
    )

    assert [
        ("a", b"1"),
        ("b", b'"x\\"},{"'),
        ("c", b'{"a":[1,{"d":"]}"}]}'),
        ("d", b"[]"),
        ("e", b"null"),
        ("f", b"-1.5e3"),
    ] == found(text)


def test_an_empty_object_has_no_members():
    assert [] == found(b" { } ")


def test_keys_are_decoded():
    assert [("model", b"1"), ('a"b', b"2")] == found(rb'{"mod\u0065l":1,"a\"b":2}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":{"model":"x"},"model" : "y"}', b'"y"'),
        (b'{"a":"model","model":"y"}', b'"y"'),
        (rb'{"a":"\"model\":","model":"y"}', b'"y"'),
        (rb'{"a":"model","mod\u0065l":"y"}', b'"y"'),
        (b'{"model":["y"],"n":1}', b'["y"]'),
        (b'{"messages":[{"content":"{"}],"model":7}', b"7"),
    ],
)
def test_a_member_is_the_one_at_the_top(text, value):
    at = member(text, "model")

    assert value == text[at.start : at.end]


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        (b'{"n":1,"n":2}', "n"),
        (rb'{"n":1,"\u006e":2}', "n"),
        (b'{"n":1,"a":{"n":2},"b":["n","n"]}', None),
        (b'{"x":1,"x":2}', None),
        (b"{}", None),
    ],
)
def test_only_duplicates_that_matter_are_named(text, twice):
    assert twice == duplicate(text, ("n", "model"))


def test_duplicates_are_found_in_an_inner_object_as_well():
    assert "a" == duplicate(b'{"o":{"a":1,"a":2}}', ("a",), start=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb"\u006d", True),
        (rb"\u007A", True),
        (rb"\u005f", True),
        (rb"\u00e9", False),
        (rb"\u003c \n", False),
        (b"model", False),
    ],
)
def test_escapes_that_can_spell_a_key_are_noticed(text, expected):
    assert expected == spells_letters(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[]", []),
        (b" [ ] ", []),
        (b'[1,"]",[2,[3]],{"a":[4]} , null]', [b"1", b'"]"', b"[2,[3]]", b'{"a":[4]}', b"null"]),
        (b"[\n  1,\n  2\n]", [b"1", b"2"]),
    ],
)
def test_elements_of_an_array_are_found(text, expected):
    assert expected == [text[start:end] for start, end in elements(text, 0)]


def test_several_values_are_replaced_where_they_stand():
    text = b'{"a":1,"b":"keep","c":[2]}'
    places = [each for each in members(text) if each.key != "b"]

    assert b'{"a":null,"b":"keep","c":null}' == replaced_each(text, places, b"null")
    assert text == replaced_each(text, [], b"null")
