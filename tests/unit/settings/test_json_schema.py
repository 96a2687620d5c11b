"""What editors and readers get is what the schema says today."""

from pathlib import Path

import orjson
import pytest

from gateway.settings.json_schema import FILES, schemas, with_reference

ROOT = Path(__file__).parents[3]
RENEW = "renew with: tollkeeper schema config --reference docs/configuration.md"


@pytest.mark.parametrize("name", FILES)
def test_the_committed_schema_is_current(name):
    committed = orjson.loads((ROOT / "config" / name).read_bytes())

    assert schemas()[name] == committed, RENEW


def test_the_committed_reference_is_current():
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")

    assert with_reference(page) == page, RENEW


def test_every_setting_is_described_and_bounded():
    for schema in schemas().values():
        for block in [schema, *schema.get("$defs", {}).values()]:
            assert block["description"]
            assert False is block["additionalProperties"]
            undescribed = [
                key
                for key, value in block["properties"].items()
                if not value.get("description") and "$ref" not in value
            ]
            assert [] == undescribed


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("gateway.yaml", "gateway.schema.json"),
        ("plans.yaml", "plans.schema.json"),
        ("prices/openai-2026-11-26.yaml", "../prices.schema.json"),
    ],
)
def test_each_file_points_editors_to_its_schema(path, schema):
    first_line = (ROOT / "config" / path).read_text("utf-8").splitlines()[0]

    assert f"# yaml-language-server: $schema={schema}" == first_line
    assert (ROOT / "config" / path).parent.joinpath(schema).is_file()
