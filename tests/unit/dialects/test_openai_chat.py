import orjson
import pytest
from multidict import CIMultiDict

from gateway.dialects import DIALECTS, dialects
from gateway.dialects.base import Dialect
from gateway.dialects.openai_chat import OpenAIChat
from gateway.errors import QuotaExceeded

ASKED = b'"stream_options":{"include_usage":true},'
REST = b'"model":"a","messages":[]}'


def prepared(body: bytes, *, upstream_model: str | None = None):
    dialect = OpenAIChat()
    call = dialect.read_call(body)
    return dialect.prepare_body(call, body, upstream_model=upstream_model or call.model)


def test_every_row_of_the_table_is_a_dialect_of_that_name():
    for name, dialect in dialects(quota_status=402).items():
        checked: Dialect = dialect
        assert name == checked.name
        assert 402 == checked.render_error(QuotaExceeded("x", code="insufficient_quota")).status
    assert set(DIALECTS) == set(dialects(quota_status=None))


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


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({"Authorization": "Bearer tk_1"}, {}, "tk_1"),
        ({"authorization": "bearer   tk_1  "}, {}, "tk_1"),
        ({"AUTHORIZATION": " BEARER tk_1"}, {}, "tk_1"),
        ({"x-api-key": " tk_1 "}, {}, "tk_1"),
        ({"Api-Key": "tk_1"}, {}, "tk_1"),
        ({}, {"key": "tk_1"}, "tk_1"),
        ({"Authorization": "Bearer tk_1", "api-key": "tk_1"}, {"key": "tk_1"}, "tk_1"),
        ({"Authorization": "Basic dXNlcg==", "api-key": "tk_1"}, {}, "tk_1"),
        ({"Authorization": "Bearer tk_1", "api-key": "tk_2"}, {}, None),
        ({"x-api-key": "tk_1"}, {"key": "tk_2"}, None),
        ({"Authorization": "Bearer"}, {}, None),
        ({"Authorization": "Bearer "}, {}, None),
        ({"Authorization": "tk_1"}, {}, None),
        ({"Authorization": "Basic tk_1"}, {}, None),
        ({"x-api-key": ""}, {"key": ""}, None),
        ({}, {}, None),
    ],
)
def test_the_key_is_found_wherever_this_api_lets_one_be_sent(headers, query, key):
    assert key == OpenAIChat().presented_key(CIMultiDict(headers), query)
