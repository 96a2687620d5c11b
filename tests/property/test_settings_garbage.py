"""Whatever is done to a configuration, loading it ends in settings or problems, not in a crash."""

import copy
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.settings_env import ENVIRON

from gateway.settings import examine

CONFIG = Path(__file__).parents[2] / "config"
MAIN = yaml.safe_load((CONFIG / "gateway.yaml").read_text("utf-8"))
MAIN["plans"] = yaml.safe_load((CONFIG / "plans.yaml").read_text("utf-8"))["plans"]
MAIN["prices"] = ["card.yaml"]
# Those that the card below has a price for, or that name no one model.
MAIN["models"] = [route for route in MAIN["models"] if route["match"] in {"fast", "gpt-*"}]
MAIN["accounts"][0]["grants"][0]["expires"] = "2027-12-31"
MAIN["accounts"][0]["keys"] = [
    {"id": "0123456789ab", "secret": "env:TEAM_KEY", "limits": [{"unit": "calls", "ceiling": 2}]}
]
CARD = {
    "version": "card-1",
    "effective_from": "2026-11-23",
    "source": "https://example.com/prices",
    "checked": "2026-11-23",
    "models": {
        "gpt-4.1-mini": {
            "input": "0.4",
            "output": "1.6",
            "tiers": [{"above_input_tokens": 9, "input": "1", "output": "2"}],
        }
    },
}

garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["env:NOTHING", "file:/nowhere", "*", "[", "redis://x", "https://[", "team"]),
    st.just([]),
    st.just({}),
    st.just({"input": 1}),
    st.just([{"match": "*"}, None, [[]]]),
)


def places(node, path=()):
    yield path
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, below in entries:
        if isinstance(below, dict | list):
            yield from places(below, (*path, key))
        else:
            yield (*path, key)


def damaged(document, damages):
    """A copy with values replaced, removed or added at places that still exist."""
    document = copy.deepcopy(document)
    for path, action, value in damages:
        parent = document
        try:
            for step in path[:-1]:
                parent = parent[step]
            if action == "remove":
                del parent[path[-1]]
            elif action == "replace":
                parent[path[-1]] = value
            else:
                parent[path[-1]][str(value)] = value
        except (KeyError, IndexError, TypeError):
            continue
    return document


def damages_of(document):
    somewhere = st.sampled_from([path for path in places(document) if path])
    action = st.sampled_from(["remove", "replace", "add"])
    return st.lists(st.tuples(somewhere, action, garbage), max_size=4)


def test_the_undamaged_configuration_is_valid(tmp_path):
    assert () == examined(tmp_path, MAIN, CARD).problems


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(main=damages_of(MAIN), card=damages_of(CARD))
def test_a_damaged_configuration_is_settings_or_problems(tmp_path, main, card):
    outcome = examined(tmp_path, damaged(MAIN, main), damaged(CARD, card))

    assert (outcome.settings is None) == bool(outcome.problems)
    told = "\n".join(map(str, outcome.problems)) + repr(outcome.settings)
    assert [] == [name for name in ("OPENAI_API_KEY", "TEAM_KEY") if ENVIRON[name] in told]


def examined(directory, main, card):
    (directory / "gateway.yaml").write_text(yaml.safe_dump(main, allow_unicode=True), "utf-8")
    (directory / "card.yaml").write_text(yaml.safe_dump(card, allow_unicode=True), "utf-8")
    return examine(directory / "gateway.yaml", ENVIRON)
