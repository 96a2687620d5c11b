import pytest

from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.endpoints import ENDPOINTS, match
from gateway.dialects.path_tree import names_of
from gateway.dialects.stored_paths import CREATING, OF_ALL, Stored


def stored(method: str, path: str, *, spoken: str = "openai") -> Stored:
    found = match(method, path, spoken=spoken)
    assert found is not None
    return found.endpoint.stored


@pytest.mark.parametrize(
    ("method", "path", "spoken", "owner", "collection"),
    [
        ("GET", "/v1/files/file-1/content", "openai", "file_id", "files"),
        ("DELETE", "/openai/v1/files/file-1", "openai", "file_id", "files"),
        ("GET", "/v1/vector_stores/vs_1/files/f", "openai", "vector_store_id", "vector_stores"),
        ("GET", "/v1/responses/resp_1/input_items", "openai", "response_id", "responses"),
        ("POST", "/v1/messages/batches/b/cancel", "anthropic", "message_batch_id", "batches"),
        ("GET", "/v1beta/files/abc:download", "gemini", "file", "files"),
        ("GET", "/v1beta/models/veo/operations/o", "gemini", "operation", "operations"),
        (
            "DELETE",
            "/v1/projects/p/locations/l/cachedContents/c",
            "gemini",
            "cached_content",
            "cachedContents",
        ),
    ],
)
def test_a_path_is_about_the_first_object_that_it_names(method, path, spoken, owner, collection):
    found = stored(method, path, spoken=spoken)

    assert (owner, collection) == (found.owner, found.collection)
    assert not found.lists


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt-5", "/v1beta1/publishers/google/models/gemini-3-pro"]
)
def test_models_are_everybodys(path):
    found = stored("GET", path)

    assert ("", False) == (found.owner, found.lists)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/models/ft:gpt-5:o::1"),
        ("PATCH", "/v1beta/tunedModels/mine"),
        ("POST", "/v1beta/tunedModels/mine:cancel"),
    ],
)
def test_what_changes_a_model_changes_it_for_all(method, path):
    assert stored(method, path).changes_all


@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/batches", "/v1/vector_stores", "/v1beta/cachedContents"]
)
def test_a_collection_is_listed_and_added_to(path):
    assert stored("GET", path).lists
    assert stored("POST", path).creates


def test_only_deleting_the_object_itself_forgets_it():
    assert stored("DELETE", "/v1/vector_stores/vs_1").forgets
    assert not stored("DELETE", "/v1/vector_stores/vs_1/files/file-1").forgets
    assert not stored("GET", "/v1/vector_stores/vs_1").forgets


def test_every_path_that_names_anything_says_whose_it_is():
    open_rows = [
        row.pattern
        for row in ENDPOINTS
        if row.kind is not EndpointKind.REFUSED
        and set(names_of(row.pattern)) - OF_ALL
        and not row.stored.owner
    ]

    assert [] == open_rows


def test_whatever_is_metered_and_kept_can_be_asked_for_again():
    assert set() == CREATING - {row.dialect for row in ENDPOINTS if row.stored.creates}
