import pytest

from gateway.dialects import DIALECTS
from gateway.dialects.endpoints import ENDPOINTS, match


def test_every_endpoint_speaks_a_dialect_we_have():
    assert set() == {endpoint.dialect for endpoint in ENDPOINTS} - {"", *DIALECTS}


def test_chat_completions_are_metered():
    found = match("POST", "/v1/chat/completions")

    assert found is not None
    assert ("openai_chat", "metered") == (found.endpoint.dialect, found.endpoint.kind)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt-4o", "/v1/models/ft:gpt-4o:org::id_1~x"]
)
def test_the_list_of_models_is_free(path):
    found = match("GET", path)

    assert found is not None
    assert "free" == found.endpoint.kind


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("post", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/x/../chat/completions"),
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1/chat/completion%73"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/chat/completions\n"),
        ("POST", "/v1/chat/completions?x=1"),
        ("DELETE", "/v1/models/gpt-4o"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/."),
        ("GET", "/v1/models/.."),
        ("GET", "/v1/models/a/b"),
        ("GET", "/v1/models/a%2Fb"),
        ("GET", "/v1/models/a\n"),
        ("GET", "/v1/models/a;b"),
        ("GET", "http://elsewhere/v1/models"),
        ("GET", ""),
    ],
)
def test_whatever_is_not_exactly_an_endpoint_is_none(method, path):
    assert None is match(method, path)
