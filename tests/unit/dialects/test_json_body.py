import pytest

from gateway.dialects.json_body import (
    SingleKeys,
    array,
    boolean,
    model_name,
    objects,
    read_object,
    tokens,
    with_model,
)
from gateway.errors import BadCall

KEYS = SingleKeys(("model", "stream", "options"), inside={"options": ("deep",)})


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (rb'{"model":"a","mod\u0065l":"b"}', "model"),
        (b'{"stream":true, "stream" :false}', "stream"),
        (b'{"options":{"deep":1},"options":{}}', "options"),
        (b'{"options":{"deep":1,"deep":2}}', "deep"),
    ],
)
def test_a_key_that_matters_is_given_once(body, twice):
    with pytest.raises(BadCall, match="more than once") as refused:
        read_object(body, KEYS)

    assert twice == refused.value.details["param"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"model","options":{"model":1,"stream":2}}',
        b'{"other":1,"other":2}',
        b'{"options":[{"deep":1,"deep":2}]}',
        b'{"options":null, "stream": true}',
        b'{"deep":1,"deep":2}',
    ],
)
def test_other_repetitions_are_the_providers_to_judge(body):
    assert isinstance(read_object(body, KEYS), dict)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid UTF-8 JSON"),
        (b'{"a":1', "not valid UTF-8 JSON"),
        (b"\xff", "not valid UTF-8 JSON"),
        (b"[]", "an array came"),
        (b"null", "null came"),
        (b'{"a":%b}' % (b"[" * 300 + b"]" * 300), "nested too deep"),
    ],
)
def test_a_body_that_is_no_plain_object_is_refused(body, reason):
    with pytest.raises(BadCall, match=reason):
        read_object(body, KEYS)


@pytest.mark.parametrize(
    ("read", "document", "came"),
    [
        (lambda fields: boolean(fields, "f"), {"f": 1}, "f must be a boolean; an integer came."),
        (lambda fields: tokens(fields, "f"), {"f": True}, "a boolean came."),
        (lambda fields: tokens(fields, "f"), {"f": -1}, "f must not be negative."),
        (lambda fields: array(fields, "f"), {"f": {}}, "f must be an array; an object came."),
        (lambda fields: array(fields, "f"), {}, "nothing came."),
        (model_name, {"model": None}, "model must be a string; nothing came."),
        (model_name, {"model": ""}, "1 to 256 printable characters"),
        (model_name, {"model": "a\n"}, "1 to 256 printable characters"),
        (model_name, {"model": "a" * 257}, "1 to 256 printable characters"),
    ],
)
def test_a_field_of_another_type_is_named(read, document, came):
    with pytest.raises(BadCall) as refused:
        read(document)

    assert came in refused.value.message
    assert ("f" if "model" not in document else "model") == refused.value.details["param"]


def test_what_is_left_out_or_null_has_its_default():
    for document in ({}, {"f": None}):
        assert boolean(document, "f") is False
        assert tokens(document, "f") is None
    assert [] == list(objects(None))


def test_only_objects_of_an_array_are_seen():
    assert [{"a": 1}] == list(objects([1, {"a": 1}, None]))
    assert [] == list(objects({"a": 1}))


def test_renaming_a_model_leaves_every_other_byte():
    body = b'{ "messages" : [{"model":"x"}],\t"model": "fast" , "n":1.0}'

    assert body.replace(b'"fast"', b'"claude"') == with_model(body, "claude")
