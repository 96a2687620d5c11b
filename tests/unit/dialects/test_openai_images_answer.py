"""What is counted of pictures that are sold one by one; token prices are in the transcripts."""

import orjson
import pytest
from support.reading import told

from gateway.dialects.base import Request
from gateway.dialects.openai_images import OpenAIImages
from gateway.metering.call import sold_by_piece

DIALECT = OpenAIImages()
USAGE = {"input_tokens": 30, "output_tokens": 272, "total_tokens": 302}
EVENT = b'event: x\ndata: {"type":"image_generation.%b","b64_json":"AAAA"}\n\n'


def story(answer: bytes, *, content_type: str = "application/json", n: int = 2):
    body = orjson.dumps({"model": "m", "prompt": "x", "quality": "hd", "n": n})
    call = sold_by_piece(DIALECT.read_call(Request(body=body)))
    return told(DIALECT.answer_reader(call, content_type=content_type), [answer])


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ({"data": [{"url": "https://a"}, {"b64_json": "AAAA"}]}, 2),
        ({"data": [{"url": "https://a"}]}, 1),
        ({"data": []}, 0),
        ({"data": [{"url": None, "b64_json": ""}, "x", None]}, 0),
        ({"data": 5}, 0),
        ({"error": {"message": "no"}}, 0),
    ],
)
def test_each_picture_counts_once(answer, count):
    pieces = {"image.hd.1024x1024": count} if count else {}

    assert pieces == story(orjson.dumps(answer))["extra"]


def test_an_answer_that_broke_off_had_been_made():
    assert {"image.hd.1024x1024": 2} == story(b'{"data":[{"b64_json":"AA')["extra"]


def test_reported_tokens_are_kept_and_the_pictures_are_charged():
    answer = {"data": [{"url": "https://a"}], "usage": USAGE}

    assert {"input_uncached": 30, "output_image": 272, "image.hd.1024x1024": 1} == story(
        orjson.dumps(answer)
    )["usage"]


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ([b"partial_image", b"completed"], 1),
        ([b"completed", b"partial_image"], 2),
        ([b"partial_image", b"partial_image"], 1),
        ([b"other"], 0),
    ],
)
def test_a_picture_that_was_begun_counts(events, count):
    answer = b"".join(EVENT % kind for kind in events)
    pieces = {"image.hd.1024x1024": count} if count else {}

    assert pieces == story(answer, content_type="text/event-stream")["extra"]
