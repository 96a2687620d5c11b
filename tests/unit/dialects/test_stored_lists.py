import orjson
import pytest

from gateway.dialects.stored_lists import Page, read_page


def page(document: object, *, api: str = "openai", collection: str = "files") -> Page:
    found = read_page(orjson.dumps(document), api=api, collection=collection)
    assert found is not None
    return found


def listed(*ids: str, **more: object) -> dict:
    return {"object": "list", "data": [{"id": each} for each in ids], **more}


def test_a_page_is_reduced_to_what_is_the_callers_own():
    found = page(listed("a", "b", "c", first_id="a", last_id="c", has_more=True))

    assert ["a", "b", "c"] == found.ids()
    assert listed("b", first_id="b", last_id="b", has_more=True) == orjson.loads(
        found.reduced({"b"})
    )
    assert listed(first_id=None, last_id=None, has_more=True) == orjson.loads(found.reduced(set()))


def test_googles_items_are_known_by_their_collection():
    found = page(
        {"files": [{"name": "files/a"}, {"name": "files/b"}], "nextPageToken": "t"}, api="gemini"
    )

    assert ["files/a", "files/b"] == found.ids()
    assert {"files": [{"name": "files/a"}], "nextPageToken": "t"} == orjson.loads(
        found.reduced({"files/a"})
    )


def test_an_item_without_an_id_is_nobodys():
    assert listed() == orjson.loads(page({"object": "list", "data": [{}, 3]}).reduced({"a"}))


@pytest.mark.parametrize(
    ("api", "document", "query", "following"),
    [
        ("openai", listed("a", "b", has_more=True), "limit=2", "limit=2&after=b"),
        ("openai", listed("a", has_more=True), "after=x&limit=1", "limit=1&after=a"),
        ("openai", listed("a", has_more=False), "", None),
        ("openai", listed(has_more=True), "", None),
        ("openai", listed("a", has_more=True), "before=z", None),
        ("anthropic", listed("a", has_more=True), "", "after_id=a"),
        ("anthropic", listed("a", has_more=True, next_page="p"), "page=o", "page=p"),
        (
            "gemini",
            {"files": [], "nextPageToken": "t/1"},
            "pageSize=1",
            "pageSize=1&pageToken=t%2F1",
        ),
        ("gemini", {}, "", None),
    ],
)
def test_the_page_after_it_is_asked_for_as_the_vendor_wants_it(api, document, query, following):
    assert following == page(document, api=api).next_query(query)


def test_what_items_of_the_caller_tell_of_is_the_callers():
    found = page(
        {
            "data": [
                {"id": "batch_1", "output_file_id": "file-1"},
                {"id": "batch_2", "output_file_id": "file-2"},
            ]
        }
    )

    assert ["file-1"] == found.told({"batch_1"})


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("openai", b""),
        ("openai", b"[]"),
        ("openai", b'{"items": []}'),
        ("anthropic", b'{"data": {}}'),
        ("gemini", b'{"files": [], "others": []}'),
    ],
)
def test_what_is_no_list_as_documented_is_not_read(api, body):
    assert None is read_page(body, api=api, collection="files")
