import pytest

from gateway.dialects.gemini_grounding import QUERIES_HELD, QUERIES_MAX, Grounding, most_pieces

SEARCH = (("grounding", 1), ("grounding_query", QUERIES_HELD))


@pytest.mark.parametrize(
    ("tools", "pieces"),
    [
        ([], ()),
        ([{"functionDeclarations": []}, {"urlContext": {}}, {"codeExecution": {}}], ()),
        ([{"googleSearch": {}}], SEARCH),
        ({"google_search": {}}, SEARCH),
        ([{"google_search_retrieval": {}}], SEARCH),
        ([{"googleSearch": {}}, {"googleMaps": {}}], (*SEARCH, ("maps", 1))),
        (
            [{"enterpriseWebSearch": {}}],
            (("grounding.enterprise", 1), ("grounding_query.enterprise", QUERIES_HELD)),
        ),
        (
            [{"retrieval": {}}],
            (("grounding.data", 1), ("grounding_query.data", QUERIES_HELD)),
        ),
        # Null is how nothing is written.
        ([{"googleSearch": None}], ()),
    ],
)
def test_each_tool_has_its_pieces(tools, pieces):
    assert pieces == most_pieces({"tools": tools})


def test_queries_are_counted_once_however_often_they_are_told():
    grounding = Grounding(SEARCH)
    grounding.add(0, {"webSearchQueries": ["a"]})
    grounding.add(0, {"webSearchQueries": ["a", "b", " "], "imageSearchQueries": ["c"]})
    grounding.add(1, {"webSearchQueries": ["a"]})

    assert (("grounding", 1), ("grounding_query", 4)) == grounding.pieces


def test_sources_without_a_query_are_one_search():
    grounding = Grounding(SEARCH)
    grounding.add(0, {"groundingChunks": [{"web": {"uri": "https://a"}}]})

    assert (("grounding", 1), ("grounding_query", 1)) == grounding.pieces


def test_grounding_that_nobody_asked_for_is_counted_all_the_same():
    grounding = Grounding(())
    grounding.add(0, {"webSearchQueries": ["a"], "googleMapsWidgetContextToken": "t"})

    assert (("grounding", 1), ("grounding_query", 1), ("maps", 1)) == grounding.pieces


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"webSearchQueries": []},
        {"webSearchQueries": [""]},
        {"webSearchQueries": "a"},
        {"webSearchQueries": [1, None]},
        {"webSearchQueries": [str(n) for n in range(QUERIES_MAX + 1)]},
        {"groundingChunks": [{"retrievedContext": {}}, 3]},
        {"groundingChunks": "x"},
    ],
)
def test_what_grounds_nothing_owes_nothing(metadata):
    grounding = Grounding(SEARCH)
    grounding.add(0, metadata)

    assert () == grounding.pieces
