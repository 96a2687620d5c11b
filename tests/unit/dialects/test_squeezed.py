import base64
import random
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.squeezed import KEPT_BYTES, LONG_BYTES, squeezed

PICTURE = base64.b64encode(random.Random(1).randbytes(60_000))


def test_of_a_picture_only_its_beginning_stays():
    answer = orjson.dumps({"data": [{"b64_json": PICTURE.decode()}], "usage": {"n": 5}})

    short = orjson.loads(squeezed(answer))

    assert {"n": 5} == short["usage"]
    assert PICTURE[:KEPT_BYTES].decode() == short["data"][0]["b64_json"]


def test_texts_stay_whole_however_long():
    texts = ["a " * 1_000, '\\" ' * 1_000, "é" * 1_000, "a\\u00e9" * 500, "道" * 400]
    document = orjson.dumps({"texts": texts, "numbers": [n / 7 for n in range(500)]})

    assert document == squeezed(document)


@given(st.lists(st.integers(0, 80_300), max_size=6), st.text(max_size=30))
def test_what_is_left_is_json_wherever_it_was_cut(marks, text):
    answer = orjson.dumps({"a": text, "b64_json": PICTURE.decode(), "usage": {"n": 5}})
    places = [0, *sorted(min(mark, len(answer)) for mark in marks), len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(places)]

    short = orjson.loads(b"".join(map(squeezed, pieces)))

    assert (text, {"n": 5}) == (short["a"], short["usage"])
    assert 0 < len(short["b64_json"]) <= len(pieces) * (2 * LONG_BYTES)
