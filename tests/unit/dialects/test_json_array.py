import random

import orjson
import pytest
from support.chunking import cuts

from gateway.dialects.json_array import ELEMENT_BYTES_MAX, ElementBuffer, Phase, Place, step

AWKWARD = [
    {"a": 'quotes " and \\ backslashes \\\\" and ] } [ { ,'},
    {"nested": [[{}], [], {"x": [{"y": "]"}]}]},
    {},
    {"ü": "🚗 \\u005d \\\\"},
]


def taken(pieces, *, take_each=True):
    buffer = ElementBuffer()
    elements = []
    for piece in pieces:
        buffer.feed(piece)
        if take_each:
            elements += buffer.take()
    elements += buffer.take(final=True)
    return [orjson.loads(element) for element in elements], buffer


@pytest.mark.parametrize(
    "text",
    [
        orjson.dumps(AWKWARD),
        orjson.dumps(AWKWARD, option=orjson.OPT_INDENT_2),
        b"[" + b"\n,\r\n".join(map(orjson.dumps, AWKWARD)) + b"\n]\n",
        b"\xef\xbb\xbf \r\n[ " + b" , ".join(map(orjson.dumps, AWKWARD)),
    ],
)
def test_elements_are_the_same_however_the_bytes_were_cut(text):
    for pieces in cuts(text):
        assert AWKWARD == taken(pieces)[0] == taken(pieces, take_each=False)[0]


@pytest.mark.parametrize(
    ("text", "elements", "phase"),
    [
        (b"", [], Phase.BEFORE),
        (b" [", [], Phase.OPENED),
        (b'[{"a":1}', [{"a": 1}], Phase.AFTER),
        (b'[{"a":1}\n,', [{"a": 1}], Phase.COMMA),
        (b"[]", [], Phase.CLOSED),
        (b'[{"a":1}] {"b":2} [{}]', [{"a": 1}], Phase.CLOSED),
        (b'{"a":1}', [{"a": 1}], Phase.CLOSED),
        (b'{"a":1} {"b":2}', [{"a": 1}], Phase.CLOSED),
        (b"[1, 2, null, [3]]", [[3]], Phase.CLOSED),
    ],
)
def test_where_the_array_has_come_to_is_known(text, elements, phase):
    found, buffer = taken([text])

    assert (elements, phase) == (found, buffer.relayed)
    assert 0 == buffer.pending_bytes


def test_what_is_open_is_pending_and_dropped_at_the_end():
    buffer = ElementBuffer()
    buffer.feed(b'[{"a":1},\r\n{"b":"x')
    assert 18 == buffer.pending_bytes

    assert [b'{"a":1}'] == buffer.take()
    assert Phase.INSIDE is buffer.relayed
    assert len(b'{"b":"x') == buffer.pending_bytes
    assert [] == buffer.take(final=True)
    assert 0 == buffer.pending_bytes


def test_an_endless_element_is_dropped_and_the_next_one_read():
    buffer = ElementBuffer()
    buffer.feed(b'[{"a":"')
    for _ in range(2 * ELEMENT_BYTES_MAX // 1_000_000):
        buffer.feed(b"x" * 1_000_000)
        assert [] == buffer.take()
        assert 0 < buffer.pending_bytes <= ELEMENT_BYTES_MAX
    buffer.feed(b'"},{"b":2}]')

    assert [b'{"b":2}'] == buffer.take()
    assert 0 == buffer.pending_bytes


def test_a_step_leads_to_the_end_of_one_element():
    text = b'[{"a":1},{"b":2}]'
    first = step(text, 0, Place())
    second = step(text, first.end, first.place)

    assert (1, 8) == (first.start, first.end)
    assert (9, 16) == (second.start, second.end)
    assert (-1, -1, Phase.CLOSED) == (
        (third := step(text, second.end, second.place)).start,
        third.end,
        third.place.phase,
    )


def test_a_place_in_the_middle_of_a_string_is_remembered():
    begun = step(b'[{"a":"x\\', 0, Place())
    assert (1, -1, True) == (begun.start, begun.end, begun.place.escaped)
    # The quote is escaped, and nothing ends before the second one.
    assert begun.place == step(b"", 0, begun.place).place

    assert 4 == step(b'"]"}', 0, begun.place).end


def test_a_long_string_takes_no_longer_per_byte_than_a_short_one():
    """A million escapes, and as many pieces as bytes: each byte is looked at once."""
    text = orjson.dumps([{"a": '\\"' * 50_000}])

    assert 1 == len(taken([text[at : at + 7] for at in range(0, len(text), 7)])[0])


def test_random_values_in_random_pieces():
    dice = random.Random(11)
    letters = 'a"\\[]{},:\n é'
    for _ in range(200):
        values = [
            {"".join(dice.choices(letters, k=3)): "".join(dice.choices(letters, k=9))}
            for _ in range(dice.randrange(4))
        ]
        text = orjson.dumps(values, option=dice.choice([0, orjson.OPT_INDENT_2]))
        marks = sorted(dice.choices(range(len(text) + 1), k=5))
        pieces = [text[a:b] for a, b in zip([0, *marks], [*marks, len(text)], strict=True)]
        assert values == taken(pieces)[0]
