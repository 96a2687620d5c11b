"""check-config and schema, as a user runs them."""

from pathlib import Path

import orjson
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

    assert "'x-*' routes no model with a price: every call for it is refused" in result.stdout


def test_schemas_are_written_where_they_are_wanted(tmp_path):
    result = run(schema, tmp_path)

    assert 0 == result.exit_code
    for name in ("gateway.schema.json", "plans.schema.json", "prices.schema.json"):
        assert (CONFIG / name).read_bytes() == (tmp_path / name).read_bytes()
