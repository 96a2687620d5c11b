"""`prices import` as a user runs it: what changes is shown, and written when asked."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from gateway.cli.prices import prices

CONFIG = Path(__file__).parents[3] / "config"
OLD = "deepseek-2026-11-01.yaml"
NEW = "deepseek-2026-11-26.yaml"
CARD = """\
version: deepseek-2026-11-01
effective_from: 2026-11-01
source: x
checked: 2026-11-01
vendor: deepseek
models:
  deepseek-chat:
    {input: "0.135", cache_read: "0.035", output: "1",
     context_tokens: 64000, max_output_tokens: 64000}
  deepseek-old: {input: "2", output: "3"}
"""


@pytest.fixture
def directory(tmp_path):
    pytest.importorskip("genai_prices")
    (tmp_path / "gateway.yaml").write_text(f"providers: {{}}\n# {OLD}\nprices:\n  - prices/{OLD}\n")
    cards = tmp_path / "prices"
    cards.mkdir()
    (cards / OLD).write_text(CARD, "utf-8")
    return cards


def run(directory, *arguments):
    fixed = ["import", str(directory), "--as-of", "2026-11-26"]
    config = ["--config", str(directory.parent / "gateway.yaml")]
    return CliRunner().invoke(prices, [*fixed, *config, *arguments])


def test_without_write_the_difference_is_shown_and_nothing_written(directory):
    result = run(directory)

    assert 0 == result.exit_code
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["deepseek-chat", "changed", "output", "1", "0.55"] in rows
    assert ["deepseek-old", "removed", "—", "input", "2,", "output", "3", "—"] in rows
    assert "4 added, 1 removed, 1 changed." in result.stdout
    assert "Nothing is written yet: add --write." in result.stdout
    assert [OLD] == [path.name for path in directory.iterdir()]


def test_with_write_a_new_dated_card_stands_beside_the_old_one(directory):
    result = run(directory, "--write")

    assert 0 == result.exit_code
    assert CARD == (directory / OLD).read_text("utf-8")
    assert (CONFIG / "prices" / NEW).read_bytes() == (directory / NEW).read_bytes()
    assert f"write {NEW} instead of {OLD} in {directory.parent}/gateway.yaml, line 4" in (
        result.stdout
    )
    again = run(directory, "--write")
    assert f"deepseek: no change since {directory / NEW}" in again.stdout


def test_machines_get_every_difference(directory):
    [update] = orjson.loads(run(directory, "--json").stdout)

    assert ("deepseek", False, 5) == (update["vendor"], update["written"], update["models"])
    assert {
        "model": "deepseek-chat",
        "change": "changed",
        "price": "output",
        "old": "1",
        "new": "0.55",
    } in (update["differences"])


def test_a_vendor_without_a_card_there_is_imported_when_named(directory):
    result = run(directory, "--vendor", "cerebras", "--write")

    assert "cerebras: new, 7 models" in result.stdout
    assert (
        "Left out, as a card cannot say their price: qwen-3-coder-480b (no price)" in result.stdout
    )
    assert f"name cerebras-2026-11-26.yaml under prices in {directory.parent}" in result.stdout
    assert not (directory / NEW).exists()


def test_a_card_of_that_day_with_other_prices_is_never_overwritten(directory):
    (directory / NEW).write_text(CARD, "utf-8")

    result = run(directory, "--write")

    assert 1 == result.exit_code
    assert "never overwritten" in result.stderr
    assert CARD == (directory / NEW).read_text("utf-8")


def test_an_unknown_vendor_is_refused_with_a_suggestion(directory):
    result = run(directory, "--vendor", "depseek")

    assert 1 == result.exit_code
    assert "No vendor is named 'depseek'. Did you mean 'deepseek'?" in result.stderr
