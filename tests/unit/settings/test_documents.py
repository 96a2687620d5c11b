"""Strict YAML: core scalars of 1.2, positions, and what is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.documents import parse


def value_of(text):
    root, flaws = parse(f"key: {text}\n", file="f.yaml")
    assert [] == flaws
    return root.plain()["key"]


def reasons(text):
    return [f"{flaw.node.line} {flaw.reason}" for flaw in parse(text, file="f.yaml")[1]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("", None),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("0.40", Decimal("0.40")),
        ("1e-6", Decimal("0.000001")),
        (".5", Decimal("0.5")),
        ("1.", Decimal(1)),
        ('"12"', "12"),
        ("'true'", "true"),
        ('""', ""),
        ("a b", "a b"),
        ("[1, a]", (1, "a")),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_scalars_are_read_as_yaml_1_2_does(written, value):
    read = value_of(written)

    assert value == read
    assert type(value) is type(read)


def test_fractions_keep_every_digit():
    assert "0.10000000000000000000000001" == str(value_of("0.10000000000000000000000001"))


def test_every_value_knows_its_line_and_path():
    root, _ = parse("a:\n  b:\n    - x\n    - c: 1\n      d:\n        2\n", file="f.yaml")

    d = root.at("a", "b", 1, "d")

    assert (5, "a.b[1].d") == (d.line, d.path)


def test_the_way_to_an_absent_value_ends_at_the_last_there_is():
    root, _ = parse("a:\n  b: 1\n", file="f.yaml")

    assert "a" == root.at("a", "nothing", 3).path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", "3 the key stands here twice, first on line 1"),
        ("a: &x 1\n", "1 expected a plain value, came a YAML anchor or alias (& or *)"),
        ("a: *x\n", "1 expected a plain value, came a YAML anchor or alias (& or *)"),
        ("a: !!str 1\n", "1 expected a plain value, came a YAML tag (!)"),
        ("a: 1\n---\nb: 1\n", "2 expected one YAML document, came a second one"),
        ("a: 012\n", "1 012 is octal to some YAML readers, decimal to others"),
        ("a: .nan\n", "1 expected a finite number, came .nan"),
        ("", "1 the file is empty"),
        ("{[a]: 1}\n", "1 expected a name as key, came a collection or alias"),
        ("a: [" + "[" * 30, "1 nested deeper than 24 levels"),
    ],
)
def test_what_yaml_readers_disagree_about_is_refused(text, reason):
    assert [reason] == reasons(text)


def test_flaws_do_not_hide_each_other():
    assert 3 == len(reasons("a: 012\nb: &x 1\nc: 1\nc: 2\n"))


def test_a_million_aliases_cost_nothing():
    bomb = "a: &a [x]\n" + "".join(f"k{n}: [{', '.join(['*a'] * 50)}]\n" for n in range(100))

    assert 5001 == len(reasons(bomb))


def test_a_syntax_error_does_not_quote_the_file():
    flaw = parse('credential: "sk-live-0123\nnext: 1\n', file="f.yaml")[1][-1]

    assert "sk-live" not in flaw.reason + flaw.suggestion + flaw.node.path


@given(
    st.text(
        alphabet=st.sampled_from(list(" \n\t-:[]{}#&*!|>'\"%@`,?ab01.~\x00\ufeff")), max_size=60
    )
)
def test_whatever_comes_is_a_tree_or_a_flaw(text):
    root, flaws = parse(text, file="f.yaml")

    assert root is not None or flaws
