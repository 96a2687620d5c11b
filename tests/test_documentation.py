"""What a user can meet is written down: metrics, settings, error codes."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from support import operations_page
from support.error_codes import error_codes
from support.settings_env import ENVIRON

from gateway.metering.events import End
from gateway.metering.failover import ProbeEnd, Unanswered
from gateway.metering.pieces import PIECES, SERVICE_TIERS
from gateway.metering.pricing import UCR_PER_CREDIT, charge_ucr
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.settings import load
from gateway.settings.json_schema import schemas
from gateway.simulator import script
from gateway.telemetry.closed_sets import EXPORT_OUTCOMES, PROVIDER_STATUSES, UnknownHandling
from gateway.telemetry.families import FAMILIES

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"

HEADINGS = ("| no |", "| fault |", "| what |")


def table_rows(page: str) -> dict[str, list[str]]:
    """First cell, without its backticks → the other cells, over all tables of a page."""
    rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (DOCS / page).read_text().splitlines()
        if line.startswith("| `")
    )
    return {cells[0].strip("`"): cells[1:] for cells in rows}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_metric_is_described_as_it_is(family) -> None:
    kind, labels, meaning = table_rows("metrics.md")[family.name]

    assert family.kind == kind
    assert list(family.labels) == re.findall(r"`(\w+)`", labels)
    assert meaning.replace("`", "'").startswith(family.help.removesuffix("."))


def test_no_metric_is_described_that_does_not_exist() -> None:
    described = {name for name in table_rows("metrics.md") if re.fullmatch(r"tollkeeper_\w+", name)}

    assert described == {family.name for family in FAMILIES}


def test_expressions_to_alert_on_name_metrics_that_exist() -> None:
    known = {family.name for family in FAMILIES} | {f"{family.name}_bucket" for family in FAMILIES}
    named = set(re.findall(r"tollkeeper_\w+", (DOCS / "metrics.md").read_text()))

    assert sorted(named - known) == []


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("end", tuple(End)),
        ("provenance", tuple(Provenance)),
        ("class", tuple(TokenClass)),
        ("status", PROVIDER_STATUSES),
        ("handled", tuple(UnknownHandling)),
        ("attempt", tuple(Unanswered)),
        ("probe", tuple(ProbeEnd)),
        ("outcome", EXPORT_OUTCOMES),
    ],
)
def test_the_values_of_a_label_are_listed(label, values) -> None:
    [listed] = table_rows("metrics.md")[label]

    assert set(values) == set(re.findall(r"`(\w+)`", listed))


def test_every_error_code_is_explained_and_none_that_does_not_exist() -> None:
    assert error_codes() == set(table_rows("errors.md"))


def test_everything_sold_by_the_piece_is_explained_and_every_tier_named() -> None:
    page = (DOCS / "configuration.md").read_text()
    explained = {name: cells[0] for name, cells in table_rows("configuration.md").items() if cells}

    assert {**PIECES} == {name: explained[name] for name in PIECES}
    assert [] == [tier for tier in SERVICE_TIERS if f"`{tier}`" not in page]


def settings(schema: Mapping[str, object]) -> Iterator[str]:
    """Names of all properties in a JSON Schema, its definitions included."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from properties
    definitions = schema.get("$defs")
    if isinstance(definitions, dict):
        for definition in definitions.values():
            yield from settings(definition)


@pytest.mark.parametrize("file", schemas())
def test_every_setting_is_explained(file) -> None:
    page = (DOCS / "configuration.md").read_text()
    explained = set(re.findall(r"`([\w.]+)`", page))

    assert sorted(set(settings(schemas()[file])) - explained) == []


def test_every_option_of_the_simulator_is_explained() -> None:
    explained = set(re.findall(r"^ {4}(\w+)(?: \| (\w+))?", script.__doc__ or "", re.MULTILINE))
    names = {name for pair in explained for name in pair if name}

    assert names == script.NUMBERS | script.SWITCHES | {"fail", "end"}


def test_every_operation_of_the_metering_api_is_listed() -> None:
    page = operations_page.PAGE.read_text("utf-8")

    assert operations_page.page_with_list(page) == page


@pytest.mark.parametrize("name", ["promises.md", "security.md"])
def test_every_test_that_shows_a_promise_exists(name: str) -> None:
    page = (DOCS / name).read_text()
    named = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", page))
    there = {file: (TESTS / file).read_text() for file, _ in named}

    assert [] == sorted(test for file, test in named if f"def {test}(" not in there[file])


def test_every_promise_and_every_fault_is_shown_by_a_test() -> None:
    lines = (DOCS / "promises.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(HEADINGS)]
    unshown = [row for row in rows if "::test_" not in row]
    numbers = [int(found[1]) for row in rows if (found := re.match(r"\| (\d+) \|", row))]

    assert list(range(1, 33)) == numbers
    assert [] == unshown


def test_every_attack_is_shown_by_a_test() -> None:
    page = (DOCS / "security.md").read_text()
    defended = page.partition("## What is defended")[2].partition("\n## ")[0]
    rows = [line for line in defended.splitlines() if line.startswith("| ")]
    attacks = [row for row in rows if not row.startswith("| attack |")]

    assert len(attacks) > 50
    assert [] == [row for row in attacks if "::test_" not in row]


def test_every_page_is_in_the_list_of_pages() -> None:
    readme = (TESTS.parent / "README.md").read_text()
    listed = readme.partition("## Documentation\n")[2].partition("\n## ")[0]

    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} == set(
        re.findall(r"\((docs/[\w.-]+)\)", listed)
    )


def test_what_the_example_call_costs_is_what_it_costs() -> None:
    page = (DOCS / "concepts.md").read_text()
    [total] = re.findall(r"\| the call \| \| \| \*\*([0-9.]+)\*\* \|", page)
    card = load(TESTS.parent / "config" / "gateway.yaml", ENVIRON).rate_card
    charged = {
        model: charge_ucr(price, Usage(input_uncached=500, output_text=500))
        for model in ("gpt-4.1-mini", "gpt-4.1")
        if (price := card.price(model, provider="openai"))
    }

    assert Decimal(total) * UCR_PER_CREDIT == charged["gpt-4.1-mini"]
    assert 5 * charged["gpt-4.1-mini"] == charged["gpt-4.1"]
