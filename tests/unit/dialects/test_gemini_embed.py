import base64

import orjson
import pytest

from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.errors import BadCall

DIALECT = GeminiEmbed()
GIF = base64.b64encode(b"GIF89a" + bytes([64, 0, 32, 0]) + bytes(30)).decode()


def request(document, *, verb="batchEmbedContents", model="gemini-embedding-001", style=0):
    body = document if isinstance(document, bytes) else orjson.dumps(document, option=style)
    return Request(body=body, path=f"/v1beta/models/{model}:{verb}")


def asked(text, **more):
    return {"content": {"parts": [{"text": text}]}} | more


@pytest.mark.parametrize(
    ("document", "prompts", "texts"),
    [
        (asked("One", title="T"), 1, ["T", "One"]),
        ({"requests": [asked("One"), asked("Two")]}, 2, ["One", "Two"]),
        # What one object may stand for.
        ({"requests": asked("One")}, 1, ["One"]),
        ({"text": "One"}, 1, ["One"]),
        ({"texts": ["One", "Two"]}, 2, ["One", "Two"]),
        ({"requests": [{"text": "One"}, {"text": "Two"}]}, 2, ["One", "Two"]),
        ({}, 1, []),
        ({"requests": "One"}, 1, []),
    ],
)
def test_each_input_is_read_by_itself(document, prompts, texts):
    call = DIALECT.read_call(request(document))

    assert ("gemini-embedding-001", 0, prompts) == (
        call.model,
        call.max_output_tokens,
        call.prompts,
    )
    assert texts == DIALECT.prompt_parts(call).texts
    bound = DIALECT.prompt_bound_tokens(call, context_tokens=2_048)
    assert len(orjson.dumps(document)) == bound


def test_no_input_counts_beyond_the_context():
    call = DIALECT.read_call(request({"requests": [asked("x" * 5_000), asked("y")]}))

    assert 4_000 == DIALECT.prompt_bound_tokens(call, context_tokens=2_000)


def test_pictures_count_as_pictures():
    parts = [{"inlineData": {"mimeType": "image/gif", "data": GIF}}]
    call = DIALECT.read_call(request({"content": {"parts": parts}}, verb="embedContent"))

    assert call.terms.media
    assert 1_120 == DIALECT.prompt_parts(call).image_tokens
    bound = DIALECT.prompt_bound_tokens(call, context_tokens=8_192)
    assert call.text_bytes + 1_120 == bound


@pytest.mark.parametrize("style", [0, orjson.OPT_INDENT_2])
def test_an_alias_is_spliced_in_wherever_the_model_is_named(style):
    document = {
        "requests": [
            asked('"model": "models/fast"', model="models/fast"),
            asked("Two"),
            asked("Three", model="models/fast", taskType="CLUSTERING"),
        ]
    }
    sent = request(document, model="fast", style=style)
    call = DIALECT.read_call(sent)
    prepared = DIALECT.prepare(call, sent, upstream_model="gemini-embedding-2")

    for each in document["requests"]:
        if "model" in each:
            each["model"] = "models/gemini-embedding-2"
    assert orjson.dumps(document, option=style) == prepared.body
    assert "/v1beta/models/gemini-embedding-2:batchEmbedContents" == prepared.path
    assert Prepared(sent.body) == DIALECT.prepare(call, sent, upstream_model="fast")


def test_an_alias_is_spliced_into_a_single_request_as_well():
    sent = request(asked("One", model="models/fast"), model="fast", verb="embedContent")
    prepared = DIALECT.prepare(DIALECT.read_call(sent), sent, upstream_model="tunedModels/mine")

    assert "tunedModels/mine" == orjson.loads(prepared.body)["model"]
    assert "/v1beta/tunedModels/mine:embedContent" == prepared.path


@pytest.mark.parametrize(
    "named",
    [
        "models/gemini-embedding-001",
        "projects/p/locations/l/publishers/google/models/gemini-embedding-001",
    ],
)
def test_the_body_may_name_the_model_of_the_path(named):
    assert 1 == DIALECT.read_call(request({"requests": [asked("One", model=named)]})).prompts


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (asked("One", model="models/gemini-embedding-2"), "must be the one in the path"),
        ({"requests": [asked("One", model="models/other")]}, "must be the one in the path"),
        (b'{"requests":[],"requests":[]}', "requests was given more than once"),
        (b"[]", "must be a JSON object"),
    ],
)
def test_what_would_be_read_otherwise_by_the_provider_is_refused(document, message):
    with pytest.raises(BadCall, match=message):
        DIALECT.read_call(request(document))
