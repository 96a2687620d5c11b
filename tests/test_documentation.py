"""What a user can meet is written down: metrics, settings, error codes."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support import operations_page
from support.error_codes import error_codes

from gateway.metering.events import End
from gateway.metering.pieces import PIECES, SERVICE_TIERS
from gateway.metering.usage import Provenance, TokenClass
from gateway.settings.json_schema import schemas
from gateway.simulator import script
from gateway.telemetry.families import (
    EXPORT_OUTCOMES,
    FAMILIES,
    PROVIDER_STATUSES,
    UnknownHandling,
)

DOCS = Path(__file__).parents[1] / "docs"


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
