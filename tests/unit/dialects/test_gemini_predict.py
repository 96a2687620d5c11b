import orjson
import pytest

from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_predict import GeminiPredict
from gateway.errors import BadCall

DIALECT = GeminiPredict()
PICTURE = {"instances": [{"prompt": "A toll road"}]}
TEXTS = {"instances": [{"title": "T", "content": "One"}, {"content": "Two"}]}


def request(document, *, model="imagen-4.0-generate-001", query=None):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Request(body=body, path=f"/v1beta/models/{model}:predict", query=query or {})


@pytest.mark.parametrize(
    ("document", "pictures"),
    [
        (PICTURE, 4),
        (PICTURE | {"parameters": {"sampleCount": 1}}, 1),
        (PICTURE | {"parameters": {"sampleCount": "2"}}, 2),
        # Parameters are a model's own JSON, of one spelling.
        (PICTURE | {"parameters": {"sample_count": 2}}, 4),
        (PICTURE | {"parameters": None}, 4),
        ({"instances": {"prompt": "x"}, "parameters": {"sampleCount": 3}}, 3),
        ({"instances": [{"prompt": "x"}] * 2, "parameters": {"sampleCount": 3}}, 6),
    ],
)
def test_pictures_are_owed_as_soon_as_they_are_asked_for(document, pictures):
    call = DIALECT.read_call(request(document))

    assert (("image", pictures),) == call.terms.pieces == call.owed
    assert ("imagen-4.0-generate-001", 0, False) == (
        call.model,
        call.max_output_tokens,
        call.counts_tokens,
    )
    assert 0 == DIALECT.prompt_bound_tokens(call, context_tokens=480)
    assert [] == DIALECT.prompt_parts(call).texts


def test_older_embeddings_are_read_text_by_text():
    call = DIALECT.read_call(request(TEXTS, model="text-embedding-005"))

    assert (2, 0, True) == (call.prompts, call.max_output_tokens, call.counts_tokens)
    assert ["T", "One", "Two"] == DIALECT.prompt_parts(call).texts
    size = len(orjson.dumps(TEXTS))
    assert size == DIALECT.prompt_bound_tokens(call, context_tokens=2_048)
    assert 20 == DIALECT.prompt_bound_tokens(call, context_tokens=10)


def test_an_alias_is_another_model_in_the_path():
    sent = request(PICTURE, model="pictures")
    call = DIALECT.read_call(sent)

    assert Prepared(sent.body) == DIALECT.prepare(call, sent, upstream_model="pictures")
    assert Prepared(sent.body, path="/v1beta/models/imagen-4:predict") == DIALECT.prepare(
        call, sent, upstream_model="imagen-4"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "instances must be objects"),
        ({"instances": []}, "instances must be objects"),
        ({"instances": [{"prompt": "x"}, {"content": "y"}]}, "instances must be objects"),
        ({"instances": [{"image": {}}]}, "cannot be metered"),
        (PICTURE | {"parameters": []}, "parameters must be an object"),
        (PICTURE | {"parameters": {"sampleCount": 0}}, "sampleCount must be from 1"),
        (PICTURE | {"parameters": {"sampleCount": "many"}}, "sampleCount must be an integer"),
        (b'{"instances":[],"instances":[]}', "instances was given more than once"),
        (
            b'{"instances":[{"prompt":"x"}],"parameters":{"sampleCount":1,"sampleCount":4}}',
            "sampleCount was given more than once",
        ),
    ],
)
def test_what_cannot_be_priced_is_refused(document, message):
    with pytest.raises(BadCall, match=message):
        DIALECT.read_call(request(document))
