import pytest

from gateway.dialects.path_tree import PathTree, names_of


def tree(*patterns: str, verbs: bool = False) -> PathTree[str]:
    """Each pattern is its own row."""
    made: PathTree[str] = PathTree(verbs=verbs)
    for pattern in patterns:
        made.add("*" if pattern.endswith("/**") else "GET", pattern, pattern)
    return made


def test_the_names_of_a_pattern_stand_in_order():
    assert ["a", "b", "c"] == names_of("/x/{a}/{b%}/{c}:do")


def test_a_pattern_is_found_with_what_stands_for_its_names():
    paths = tree("/a/{x}/b/{y}")

    assert ("/a/{x}/b/{y}", ["1", "2"]) == paths.find("GET", "/a/1/b/2")
    assert None is paths.find("POST", "/a/1/b/2")
    assert None is paths.find("GET", "/a/1/b")
    assert None is paths.find("GET", "/a/1/b/2/")


def test_what_is_spelt_out_goes_before_a_name():
    paths = tree("/a/{x}", "/a/b")

    assert ("/a/b", []) == paths.find("GET", "/a/b")
    assert ("/a/{x}", ["c"]) == paths.find("GET", "/a/c")


def test_a_way_that_leads_nowhere_is_gone_back():
    paths = tree("/a/b/c", "/a/{x}/d")

    assert ("/a/{x}/d", ["b"]) == paths.find("GET", "/a/b/d")
    assert None is paths.find("GET", "/a/b/e")


def test_a_verb_ends_the_last_segment_only():
    paths = tree("/{x}/{y}:do", "/{x}/{y}", verbs=True)

    assert ("/{x}/{y}:do", ["a:b", "c"]) == paths.find("GET", "/a:b/c:do")
    assert ("/{x}/{y}", ["a:b", "c"]) == paths.find("GET", "/a:b/c")
    assert None is paths.find("GET", "/a/c:other")
    assert None is paths.find("GET", "/a/b:c:do")


def test_without_verbs_a_colon_is_part_of_the_name():
    assert ("/{x}", ["a:do"]) == tree("/{x}").find("GET", "/a:do")


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/b/c", "/a//", "/a/../b", "/a/x"])
def test_all_below_is_everything_below(path):
    assert ("/a/**", []) == tree("/a/**", "/a/x/y").find("POST", path)


def test_all_below_leaves_to_others_what_is_theirs():
    paths = tree("/{x}/a/**", "/{x}/a/{y}")

    assert ("/{x}/a/{y}", ["1", "2"]) == paths.find("GET", "/1/a/2")
    assert ("/{x}/a/**", ["1"]) == paths.find("POST", "/1/a/2")
    assert ("/{x}/a/**", ["1"]) == paths.find("GET", "/1/a/2/3")
    assert None is paths.find("GET", "/1/ab")


@pytest.mark.parametrize("patterns", [("/a/{x}", "/a/{y}"), ("/a/b", "/a/b"), ("/a/**", "/a/**")])
def test_a_pattern_that_is_there_already_is_refused(patterns):
    with pytest.raises(AssertionError):
        tree(*patterns)


@pytest.mark.parametrize("pattern", ["/a/{x", "/a/{x}-{y}", "/a%2Fb", "/a/{x%}y"])
def test_a_pattern_that_is_not_understood_is_refused(pattern):
    with pytest.raises(AssertionError):
        tree(pattern)
