import orjson
import pytest

from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.dialects.story_readers import JsonReader, StreamReader

DIALECT = GeminiGenerate()
BODY = orjson.dumps({"contents": [{"parts": [{"text": "Hi"}]}]}, option=orjson.OPT_INDENT_2)


def request(verb="generateContent", model="fast"):
    return Request(body=BODY, path=f"/v1beta/models/{model}:{verb}")


def test_an_alias_is_spliced_into_the_path_and_the_body_is_left_alone():
    asked = request()
    call = DIALECT.read_call(asked)

    assert Prepared(BODY) == DIALECT.prepare(call, asked, upstream_model="fast")
    assert Prepared(BODY, path="/v1beta/models/gemini-3-flash:generateContent") == DIALECT.prepare(
        call, asked, upstream_model="gemini-3-flash"
    )


@pytest.mark.parametrize(
    ("verb", "content_type", "reader"),
    [
        ("generateContent", "application/json", JsonReader),
        ("streamGenerateContent", "application/json", StreamReader),
        ("streamGenerateContent", "text/event-stream", StreamReader),
        ("generateContent", "text/event-stream", StreamReader),
        ("generateContent", "", JsonReader),
    ],
)
def test_the_reader_is_that_of_the_answers_framing(verb, content_type, reader):
    call = DIALECT.read_call(request(verb))

    assert isinstance(DIALECT.answer_reader(call, content_type=content_type), reader)


def test_nothing_is_hidden_and_nothing_held_back():
    usage_filter = DIALECT.usage_filter()

    assert (b"data: x", b"") == (usage_filter.feed(b"data: x"), usage_filter.close())
