"""check-config and schema, as a user runs them."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from support.settings_env import ENVIRON

from gateway.cli.check import check_config, schema

CONFIG = Path(__file__).parents[3] / "config"
BAD = CONFIG.parent / "tests" / "config_corpus" / "dead_provider" / "gateway.yaml"


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], env=ENVIRON)


def test_a_valid_configuration_is_summed_up():
    result = run(check_config, CONFIG / "gateway.yaml")

    assert 0 == result.exit_code
    for expected in (
        "is valid",
        "gpt-4.1-mini",
        "openai-2026-11-26+openai-pieces-2026-11-26@",
        "acme",
        "calls_in_parallel",
    ):
        assert expected in result.stdout
    assert ENVIRON["OPENAI_API_KEY"] not in result.output


def test_a_bad_configuration_ends_with_code_1_and_says_why():
    result = run(check_config, BAD)

    assert 1 == result.exit_code
    assert "models[0].provider: no provider is named 'opneai'" in result.stderr
    assert "1 problem." in result.stderr


def test_machines_get_json():
    good = orjson.loads(run(check_config, CONFIG / "gateway.yaml", "--json").stdout)
    bad = orjson.loads(run(check_config, BAD, "--json").stdout)

    assert (True, []) == (good["valid"], good["problems"])
    assert (False, 4, None) == (bad["valid"], bad["problems"][0]["line"], bad["summary"])


def test_globs_without_a_price_are_noted(tmp_path):
    (tmp_path / "gateway.yaml").write_text(
        "providers: {a: {base_url: 'https://example.com', auth: none}}\n"
        "models: [{match: 'x-*', provider: a}]\nplans: {p: {}}\n"
    )

    result = run(check_config, tmp_path / "gateway.yaml")

    assert "'x-*' routes no model with a price to 'a': no call goes there" in result.stdout


CARD = """\
version: v1
effective_from: 2026-11-26
source: x
checked: 2026-11-26
models:
  gpt-4.1: {input: 2, output: 8}
  gpt-free: {input: 0, output: 0}
"""


@pytest.fixture
def dated(tmp_path):
    """A configuration that charges by one dated card, others beside it."""
    beside = {"openai-2999-01-01": "gpt-9", "openai-pieces-2026-11-26": "gpt-4.1"}
    for name, model in {"openai-2026-11-26": "gpt-4.1", **beside}.items():
        card = CARD.replace("v1", name).replace("gpt-4.1", model)
        (tmp_path / f"{name}.yaml").write_text(card)
    (tmp_path / "gateway.yaml").write_text(
        "providers: {a: {base_url: 'https://example.com', auth: none}}\n"
        "models: [{match: 'gpt-*', provider: a}]\nplans: {p: {}}\n"
        "prices: [openai-2026-11-26.yaml]\n"
    )
    return tmp_path / "gateway.yaml"


def test_what_is_not_priced_is_told_and_listed_for_machines(dated):
    text = run(check_config, dated).stdout
    document = orjson.loads(run(check_config, dated, "--json").stdout)["summary"]

    [unpriced] = document["unpriced_models"]
    assert "gpt-*" == unpriced["served_by"]
    assert "gpt-9" in unpriced["not_priced"]
    assert "gpt-4.1" not in unpriced["not_priced"]
    assert "served by 'gpt-*' but not priced: " in text
    [pieces] = document["unpriced_pieces"]
    assert {"container", "file_search"} <= set(pieces["not_priced"])
    assert "nothing at provider 'a' has a price for " in text


def test_what_is_served_without_a_charge_is_told(dated):
    text = run(check_config, dated).stdout
    document = orjson.loads(run(check_config, dated, "--json").stdout)["summary"]

    assert [{"unmetered": "gpt-*", "why": "priced at nothing: gpt-free"}] == document["unmetered"]
    assert "priced at nothing: gpt-free" in text
    assert "endpoints are free at their vendor and passed on uncharged" in text
    assert "no route is unmetered" not in text


def test_a_newer_card_beside_and_one_before_its_day_are_told(dated):
    assert (
        "openai-2999-01-01.yaml is newer than openai-2026-11-26.yaml"
        in run(check_config, dated).stdout
    )

    dated.write_text(dated.read_text().replace("2026-11-26", "2999-01-01"))

    text = run(check_config, dated).stdout
    assert "openai-2999-01-01.yaml is charged by already, before its day" in text
    assert "is newer than" not in text


def test_schemas_are_written_where_they_are_wanted(tmp_path):
    result = run(schema, tmp_path)

    assert 0 == result.exit_code
    for name in ("gateway.schema.json", "plans.schema.json", "prices.schema.json"):
        assert (CONFIG / name).read_bytes() == (tmp_path / name).read_bytes()
