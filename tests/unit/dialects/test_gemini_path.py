import pytest

from gateway.dialects.gemini_path import model_of, verb_of, with_model

VERTEX = "/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro:generateContent"


@pytest.mark.parametrize(
    ("path", "model", "verb"),
    [
        (
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
            "gemini-2.5-flash",
            "streamGenerateContent",
        ),
        ("/v1beta/tunedModels/mine:generateContent", "tunedModels/mine", "generateContent"),
        (VERTEX, "gemini-3-pro", "generateContent"),
        (
            "/v1/projects/p/locations/l/endpoints/12:generateContent",
            "endpoints/12",
            "generateContent",
        ),
        ("/v1beta/cachedContents", "v1beta/cachedContents", ""),
        ("", "/", ""),
    ],
)
def test_model_and_verb_are_read_from_the_path(path, model, verb):
    assert (model, verb) == (model_of(path), verb_of(path))


@pytest.mark.parametrize(
    ("path", "model", "spliced"),
    [
        (VERTEX, "gemini-4", VERTEX.replace("gemini-3-pro", "gemini-4")),
        (
            "/v1beta/models/fast:generateContent",
            "gemini-3-flash",
            "/v1beta/models/gemini-3-flash:generateContent",
        ),
        (
            "/v1beta/models/fast:generateContent",
            "tunedModels/mine",
            "/v1beta/tunedModels/mine:generateContent",
        ),
        (
            "/v1beta/tunedModels/mine:countTokens",
            "gemini-3-flash",
            "/v1beta/models/gemini-3-flash:countTokens",
        ),
    ],
)
def test_another_model_takes_its_place_in_the_path(path, model, spliced):
    assert spliced == with_model(path, model)
    assert model == model_of(spliced)
