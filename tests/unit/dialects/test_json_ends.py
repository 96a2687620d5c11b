"""Members near the beginning or the end of a long object, and nothing taken for them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.json_ends import END_BYTES, JsonEnds

LONG = "x" * (3 * END_BYTES)


def ends(document: object, *, step: int = 4_096, indent: bool = False) -> JsonEnds:
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else None)
    return fed(text, step=step)


def fed(text: bytes, *, step: int = 4_096) -> JsonEnds:
    found = JsonEnds()
    for start in range(0, len(text), step):
        found.feed(text[start : start + step])
    return found


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("step", [1_000, END_BYTES, 10**6])
@pytest.mark.parametrize(
    "document",
    [
        {"usage": {"n": 1}, "data": LONG},
        {"data": LONG, "usage": {"n": 1}},
        {"a": 1, "usage": {"n": 1}, "data": [{"usage": {"n": 2}}, LONG]},
        {"data": [LONG, {"usage": {"n": 2}}], "usage": {"n": 1}, "b": [1, {"c": 2}]},
        {"usage": {"n": 1}, "data": [LONG, {"usage": {"n": 2}}, {"usage": {"n": 3}}]},
        {"usage": {"n": 1}},
    ],
)
def test_a_member_of_either_end_is_found(document, step, indent):
    assert {"n": 1} == ends(document, step=step, indent=indent).member("usage")


@pytest.mark.parametrize(
    "document",
    [
        {"data": LONG, "more": LONG},
        {"data": LONG, "text": '"usage":{"n":1}'},
        {"text": '"usage":{"n":1}', "data": LONG},
        {"data": [LONG, {"usage": {"n": 2}}]},
        {"a": {"usage": {"n": 2}}, "data": LONG},
        ["usage", LONG],
        [{"usage": 5}, LONG],
    ],
)
def test_what_stands_in_a_text_or_deeper_down_is_another_thing(document):
    assert None is ends(document).member("usage")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"upstream error",
        b'{"usage":',
        b'{"usage":{"n":1}',
        b'{"data":"' + LONG.encode() + b'","usage":{"n":',
        b'{"usage":{"n":1},"data":"' + b"\\" * 40_000,
        b'"usage"' * 20_000,
        b'{"a" "usage" ' + LONG.encode(),
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_no_whole_json_never_raises(text):
    assert fed(text).member("usage") in (None, {"n": 1})


def test_a_byte_order_mark_is_passed_over():
    assert 5 == fed(b'\xef\xbb\xbf{"usage":5,"data":"' + LONG.encode() + b'"}').member("usage")


@given(st.binary(max_size=300), st.integers(1, 20))
def test_no_bytes_raise(text, step):
    found = fed(text, step=step)

    found.member("usage")
    assert len(text) == found.size
