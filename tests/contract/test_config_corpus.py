"""Every mistake of the corpus is told with file, line, place, reason and suggestion.

One directory a case in `tests/config_corpus`: the files as an operator would write them, and
`expected.txt`, the whole text of what they are told.
"""

from pathlib import Path

import pytest
from support.settings_env import ENVIRON

from gateway.errors import ConfigError
from gateway.settings import examine, load

CORPUS = Path(__file__).parents[1] / "config_corpus"
CASES = sorted(path.name for path in CORPUS.iterdir())
# What stands in clear in the bad files, where a reference should.
IN_CLEAR = ("sk-live-0123456789", "hunter2secret", "TEAM_KEY_IN_CLEAR", "in-clear")


@pytest.fixture(params=CASES)
def case(request, monkeypatch):
    # Messages name files as given; relative ones are the same on every machine.
    monkeypatch.chdir(CORPUS / request.param)
    return CORPUS / request.param


def test_a_bad_configuration_is_told_all_that_is_wrong(case):
    expected = (case / "expected.txt").read_text("utf-8").splitlines()

    examined = examine(Path("gateway.yaml"), ENVIRON)

    assert expected == [str(problem) for problem in examined.problems]
    assert expected
    assert examined.settings is None


def test_a_bad_configuration_is_refused_without_showing_a_secret(case):
    with pytest.raises(ConfigError) as refused:
        load(Path("gateway.yaml"), ENVIRON)

    text = f"{refused.value!r} {refused.value.__cause__} {refused.value.__context__}"
    secrets = [value for value in ENVIRON.values() if value]
    assert [] == [secret for secret in (*IN_CLEAR, *secrets) if secret in text]


def test_each_problem_has_all_its_parts(case):
    for problem in examine(Path("gateway.yaml"), ENVIRON).problems:
        lines = (case / problem.file).read_bytes().count(b"\n")
        assert 1 <= problem.line <= lines + 1
        assert problem.reason
        assert problem.suggestion


def test_the_corpus_is_large_enough_to_mean_something():
    assert 70 < len(CASES)
