import base64

import orjson
import pytest
from google import genai
from google.genai import types
from support.media_files import encoded, film, movie_header, wav

from gateway.dialects.base import Request
from gateway.dialects.gemini_call import read_call
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, ImageInput, Terms

PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
HI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
GIF = base64.b64encode(b"GIF89a" + bytes([64, 0, 32, 0]) + bytes(30)).decode()


def read(document=None, *, path=PATH, query=None, **fields):
    body = document if isinstance(document, bytes) else orjson.dumps((document or HI) | fields)
    return read_call(Request(body=body, path=path, query=query or {}))


def blob(mime_type, data, **more):
    return {"contents": [{"parts": [{"inlineData": {"mimeType": mime_type, "data": data}} | more]}]}


def test_model_and_streaming_stand_in_the_path():
    plain = read()
    streamed = read(path=PATH.replace("generateContent", "streamGenerateContent"))

    assert ("gemini-2.5-flash", False, False) == (plain.model, plain.stream, plain.wants_usage)
    assert ("gemini-2.5-flash", True, True) == (
        streamed.model,
        streamed.stream,
        streamed.wants_usage,
    )
    assert TEXT_ONLY is plain.terms


@pytest.mark.parametrize(
    ("config", "cap", "choices"),
    [
        ({}, None, 1),
        ({"maxOutputTokens": 100, "candidateCount": 2}, 100, 2),
        ({"max_output_tokens": "100", "candidate_count": 2.0}, 100, 2),
        # How this format writes that nothing is set.
        ({"maxOutputTokens": 0, "candidateCount": 0}, None, 1),
        ({"maxOutputTokens": None}, None, 1),
    ],
)
@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_cap_and_number_of_answers_are_read_in_either_spelling(name, config, cap, choices):
    call = read(**{name: config})

    assert (cap, choices) == (call.max_output_tokens, call.choices)


def test_what_the_official_sdk_sends_is_read():
    """The SDK's own request, up to where it would be sent."""
    client = genai.Client(api_key="tk_1")
    config = types.GenerateContentConfig(
        system_instruction="Be short.",
        max_output_tokens=64,
        candidate_count=2,
        response_modalities=["TEXT", "IMAGE"],
        service_tier="priority",
        media_resolution=types.MediaResolution.MEDIA_RESOLUTION_LOW,
        tools=[types.Tool(google_search=types.GoogleSearch())],
    )
    sent = {}

    def keep(http_method, path, request_dict, http_options):
        sent.update(path=path, body=request_dict)
        return types.HttpResponse(headers={}, body="{}")

    client._api_client.request = keep
    client.models.generate_content(
        model="gemini-2.5-flash",
        contents=["Hi", types.Part.from_bytes(data=base64.b64decode(GIF), mime_type="image/gif")],
        config=config,
    )
    call = read(sent["body"], path=f"/v1beta/{sent['path']}")

    assert ("gemini-2.5-flash", 64, 2) == (call.model, call.max_output_tokens, call.choices)
    assert (ImageInput(width=64, height=32, detail="low"),) == call.images
    assert (
        Terms(
            media=True, pieces=(("grounding", 1), ("grounding_query", 10)), service_tier="priority"
        )
        == call.terms
    )


def test_a_picture_is_measured_and_its_data_is_no_text():
    call = read(blob("image/gif", GIF))

    assert (ImageInput(width=64, height=32, detail=""),) == call.images
    assert len(orjson.dumps(blob("image/gif", ""))) == call.text_bytes
    assert call.terms.media


@pytest.mark.parametrize(
    ("part", "config", "detail"),
    [
        ({}, {"mediaResolution": "MEDIA_RESOLUTION_LOW"}, "low"),
        ({"mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}}, {}, "high"),
        (
            {"media_resolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}},
            {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
            "ultra_high",
        ),
    ],
)
def test_a_parts_own_resolution_comes_before_the_requests(part, config, detail):
    call = read(blob("image/gif", GIF, **part), generationConfig=config)

    assert [detail] == [image.detail for image in call.images]


def test_sound_and_film_are_bounded_by_their_length():
    sound = read(blob("audio/wav", encoded(wav(bytes_per_s=32_000, seconds=10))))
    film_call = read(blob("video/mp4", film(movie_header(1_000, 10_000)), videoMetadata={"fps": 2}))

    assert 320 <= sound.audio_tokens <= 321
    assert 5_680 == film_call.audio_tokens
    assert (0, 0) == (sound.opaque_inputs, film_call.opaque_inputs)
    assert sound.terms.media
    assert film_call.terms.media


@pytest.mark.parametrize(
    "document",
    [
        blob("application/pdf", GIF),
        blob("video/webm", GIF),
        blob("", GIF),
        {"contents": {"parts": {"fileData": {"fileUri": "files/1", "mimeType": "image/png"}}}},
        {"contents": [{"parts": [{"file_data": {"file_uri": "https://youtu.be/x"}}]}]},
        HI | {"cachedContent": "cachedContents/1"},
        HI | {"tools": [{"urlContext": {}}]},
        HI | {"tools": [{"fileSearch": {"fileSearchStoreNames": ["a"]}}]},
        {
            "contents": [
                {
                    "parts": [
                        {
                            "functionResponse": {
                                "name": "f",
                                "response": {},
                                "parts": [{"fileData": {"fileUri": "files/1"}}],
                            }
                        }
                    ]
                }
            ]
        },
        HI | {"systemInstruction": {"parts": [{"fileData": {"fileUri": "files/1"}}]}},
    ],
)
def test_what_cannot_be_seen_here_may_fill_the_context(document):
    call = read(document)

    assert 1 == call.opaque_inputs
    assert call.terms.media


def test_a_text_file_is_the_text_it_is():
    document = blob("text/csv", base64.b64encode(b"a,b\n1,2\n").decode())
    call = read(document)

    assert (len(orjson.dumps(document)), 0) == (call.text_bytes, call.opaque_inputs)
    assert TEXT_ONLY is call.terms


@pytest.mark.parametrize(
    ("model", "config", "media"),
    [
        ("gemini-2.5-flash", {}, False),
        ("gemini-2.5-flash", {"responseModalities": ["TEXT"]}, False),
        ("gemini-2.5-flash", {"responseModalities": ["TEXT", "IMAGE"]}, True),
        ("gemini-2.5-flash", {"response_modalities": ["audio"]}, True),
        ("gemini-2.5-flash-image", {}, True),
        ("gemini-2.5-flash-image", {"responseModalities": ["TEXT"]}, False),
        ("gemini-2.5-flash-preview-tts", {}, True),
    ],
)
def test_pictures_and_speech_that_may_come_are_reckoned_with(model, config, media):
    path = f"/v1beta/models/{model}:generateContent"

    assert media == read(path=path, generationConfig=config).terms.media


@pytest.mark.parametrize(
    ("named", "tier"),
    [("priority", "priority"), ("SERVICE_TIER_FLEX", "flex"), ("standard", ""), ("?", ""), (7, "")],
)
def test_the_service_tier_asked_for_is_part_of_the_terms(named, tier):
    assert tier == read(serviceTier=named).terms.service_tier
    assert tier == read(service_tier=named).terms.service_tier


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"contents":[],"contents":[]}', "contents"),
        (b'{"contents":[],"generationConfig":{},"generationConfig":{}}', "generationConfig"),
        (
            b'{"generation_config":{"max_output_tokens":1,"max_output_tokens":2}}',
            "max_output_tokens",
        ),
        (b'{"generationConfig":{"candidateCount":1,"candidateC\\u006funt":2}}', "candidateCount"),
        (b'{"tools":[],"tools":[{"googleSearch":{}}]}', "tools"),
        (b'{"generationConfig":{},"generation_config":{}}', "generationConfig"),
        (
            b'{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}',
            "maxOutputTokens",
        ),
        (b'{"system_instruction":{},"systemInstruction":{}}', "systemInstruction"),
    ],
)
def test_a_field_that_matters_may_stand_there_once(body, param):
    with pytest.raises(BadCall, match="give it once") as refused:
        read(body)

    assert {"param": param} == refused.value.details


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"generationConfig": []}, "generationConfig must be an object; an array came"),
        ({"generationConfig": {"maxOutputTokens": "many"}}, "must be an integer; a string came"),
        ({"generationConfig": {"maxOutputTokens": -1}}, "maxOutputTokens must not be negative"),
        ({"generationConfig": {"candidateCount": 129}}, "candidateCount must be from 1 to 128"),
        ({"generationConfig": {"candidateCount": -1}}, "candidateCount must be from 1 to 128"),
    ],
)
def test_what_decides_the_price_has_to_be_understood(document, message):
    with pytest.raises(BadCall, match=message):
        read(document)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 2000])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadCall):
        read(body)


@pytest.mark.parametrize(
    "query",
    [
        {"alt": "proto"},
        {"$alt": "media"},
        {"fields": "candidates"},
        {"$fields": "candidates"},
        {"callback": "f"},
        {"$httpMethod": "GET"},
        {"$httpHeaders": "x-goog-api-key:y"},
        {"$req": "{}"},
    ],
)
def test_a_query_that_changes_the_answer_is_refused(query):
    with pytest.raises(BadCall) as refused:
        read(query=query)

    assert [name.lower() for name in query] == [refused.value.details["param"]]


@pytest.mark.parametrize(
    "query", [{}, {"alt": "sse"}, {"$alt": "JSON"}, {"key": "x", "prettyPrint": "false", "x": "y"}]
)
def test_other_query_parameters_are_the_providers_to_judge(query):
    assert "gemini-2.5-flash" == read(query=query).model


def test_a_path_without_a_model_is_refused():
    for path in ("/v1beta/models/:generateContent", f"/v1/models/{'x' * 257}:generateContent"):
        with pytest.raises(BadCall, match="The model in the path"):
            read(path=path)
