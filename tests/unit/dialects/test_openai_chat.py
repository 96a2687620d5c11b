import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_chat import OpenAIChat

ASKED = b'"stream_options":{"include_usage":true},'
REST = b'"model":"a","messages":[]}'


def prepared(body: bytes, *, upstream_model: str | None = None):
    dialect = OpenAIChat()
    request = Request(body=body)
    call = dialect.read_call(request)
    return dialect.prepare(call, request, upstream_model=upstream_model or call.model)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","messages":[]}',
        b'{"model":"a","messages":[],"stream":false}',
        b'{ "messages" : [ ] ,"stream":true,"model":"a","stream_options":{"include_usage" : true}}',
    ],
)
def test_a_body_that_needs_nothing_passes_as_the_very_same_object(body):
    ready = prepared(body)

    assert ready.body is body
    assert not ready.hide_usage


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"model":"a","messages":[],"stream":true}',
            b"{" + ASKED + b'"model":"a","messages":[],"stream":true}',
        ),
        (
            b' \r\n\t{ "messages" :[ "\xc3\xa9\\u00e9\\/" ] , "stream" : true,"model": "a"\n}\n ',
            b" \r\n\t{"
            + ASKED
            + b' "messages" :[ "\xc3\xa9\\u00e9\\/" ] , "stream" : true,"model": "a"\n}\n ',
        ),
        (
            b'{"stream_options": null ,"model":"a","messages":[],"stream":true}',
            b'{"stream_options": {"include_usage":true} ,"model":"a","messages":[],"stream":true}',
        ),
        (
            b'{"model":"a","messages":[],"stream":true,"stream_options":{ }}',
            b'{"model":"a","messages":[],"stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"model":"a","messages":[],"stream":true,"stream_options":{ "include_usage" :false}}',
            b'{"model":"a","messages":[],"stream":true,"stream_options":{ "include_usage" :true}}',
        ),
        (
            b'{"stream_options":{"x":false,"include_usage":null},"stream":true,' + REST,
            b'{"stream_options":{"x":false,"include_usage":true},"stream":true,' + REST,
        ),
        (
            b'{"stream_options":{ "include_obfuscation":false},"stream":true,' + REST,
            b'{"stream_options":{"include_usage":true, "include_obfuscation":false},'
            b'"stream":true,' + REST,
        ),
        (
            b'{"user":{"stream_options":{}},"stream":true,"stream_options":{},' + REST,
            b'{"user":{"stream_options":{}},"stream":true,'
            b'"stream_options":{"include_usage":true},' + REST,
        ),
        (
            rb'{"stream\u005foptions":null,"stream":true,' + REST,
            rb'{"stream\u005foptions":{"include_usage":true},"stream":true,' + REST,
        ),
    ],
)
def test_usage_is_asked_for_and_no_other_byte_changes(body, expected):
    ready = prepared(body)

    assert expected == ready.body
    assert ready.hide_usage
    assert orjson.loads(ready.body)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a","messages":[]}', b'{"model":"b\xc3\xa9","messages":[]}'),
        (
            b'{ "messages":[{"model":"a"}],"model" :\t"a" }',
            b'{ "messages":[{"model":"a"}],"model" :\t"b\xc3\xa9" }',
        ),
        (
            rb'{"mod\u0065l":"\u0061","messages":["model"]}',
            b'{"mod\\u0065l":"b\xc3\xa9","messages":["model"]}',
        ),
    ],
)
def test_an_alias_replaces_the_models_name_alone(body, expected):
    assert expected == prepared(body, upstream_model="bé").body


def test_alias_and_usage_are_spliced_together():
    body = b'{"model":"a","messages":[],"stream":true,"stream_options":{}}'
    expected = b'{"model":"b","messages":[],"stream":true,"stream_options":{"include_usage":true}}'

    assert expected == prepared(body, upstream_model="b").body
