import base64

import orjson
import pytest
from support.media_files import encoded, film, movie_header, wav

from gateway.dialects.base import Request
from gateway.dialects.gemini_generate import GeminiGenerate

DIALECT = GeminiGenerate()
GIF = base64.b64encode(b"GIF89a" + bytes([64, 0, 32, 0]) + bytes(30)).decode()


def call_of(document, *, model="gemini-2.5-flash"):
    return DIALECT.read_call(
        Request(body=orjson.dumps(document), path=f"/v1beta/models/{model}:generateContent")
    )


def blob(mime_type, data):
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def test_texts_are_all_that_the_model_reads():
    declaration = {"name": "get_toll", "parameters": {"type": "object"}}
    document = {
        "system_instruction": {"parts": {"text": "Be short."}},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, blob("text/plain", "ZmlsZQ==")]},
            {
                "role": "model",
                "parts": [
                    {"text": "Thinking", "thought": True, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "get_toll", "args": {"road": "A1"}}},
                    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
                    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                ],
            },
            {"parts": {"function_response": {"name": "get_toll", "response": {"toll": 3}}}},
        ],
        "tools": [{"functionDeclarations": [declaration]}, {"googleSearch": {}}],
        "generationConfig": {"responseSchema": {"type": "STRING"}},
    }

    parts = DIALECT.prompt_parts(call_of(document))

    assert [
        "Be short.",
        "Hi",
        "file",
        "Thinking",
        "get_toll",
        '{"road":"A1"}',
        "print(1)",
        "1",
        "get_toll",
        '{"toll":3}',
        '{"name":"get_toll","parameters":{"type":"object"}}',
    ] == parts.texts
    assert (1, 0, 0) == (parts.fixed_tokens, parts.audio_tokens, parts.image_tokens)


def test_pictures_films_and_sounds_have_their_own_classes():
    document = {
        "contents": {
            "parts": [
                blob("image/gif", GIF),
                blob("video/mp4", film(movie_header(1_000, 2_000))),
                blob("audio/wav", encoded(wav(bytes_per_s=32_000, seconds=1))),
            ]
        }
    }
    call = call_of(document)
    parts = DIALECT.prompt_parts(call)

    assert (258 + 600, 33) == (parts.image_tokens, parts.audio_tokens)
    bound = DIALECT.prompt_bound_tokens(call, context_tokens=1_000_000)
    assert call.text_bytes + 258 + 600 + 33 == bound


def test_a_text_file_that_is_no_base64_counts_as_it_stands():
    parts = DIALECT.prompt_parts(call_of({"contents": {"parts": blob("text/plain", "~~~")}}))

    assert ["~~~"] == parts.texts


def test_what_cannot_be_seen_is_bounded_by_the_context():
    document = {"contents": {"parts": [{"text": "Hi"}, {"fileData": {"fileUri": "files/1"}}]}}

    assert 5_000 == DIALECT.prompt_bound_tokens(call_of(document), context_tokens=5_000)


@pytest.mark.parametrize("contents", [None, "Hi", [], [1], {"parts": 3}, [{"parts": [None, "x"]}]])
def test_contents_of_another_form_are_passed_over(contents):
    parts = DIALECT.prompt_parts(call_of({"contents": contents}))

    assert [] == parts.texts
