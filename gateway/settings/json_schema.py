"""The JSON Schemas editors use, and the reference in docs/configuration.md, made from one source.

Both say what `schema*.py` says; a test compares the committed files with what comes out here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.settings.fields import Block
from gateway.settings.schema import GatewayFile
from gateway.settings.schema_plans import PlansFile
from gateway.settings.schema_prices import PricesFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, type[Block]] = {
    "gateway.schema.json": GatewayFile,
    "plans.schema.json": PlansFile,
    "prices.schema.json": PricesFile,
}
BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"


def schemas() -> Mapping[str, Mapping[str, object]]:
    """File name → JSON Schema."""
    return _schemas()


def _schemas() -> dict[str, dict[str, Any]]:
    return {
        name: {"$schema": DIALECT, **block.model_json_schema()} for name, block in FILES.items()
    }


def with_reference(page: str) -> str:
    """The page with everything between the two marks replaced by the current reference."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def reference() -> str:
    """One Markdown table for each block that can be written."""
    blocks: dict[str, Mapping[str, Any]] = {}
    for schema in _schemas().values():
        blocks.setdefault(schema["title"], schema)
        for name, block in schema.get("$defs", {}).items():
            blocks.setdefault(name, block)
    return "\n".join(_table(name, blocks) for name in sorted(blocks, key=_files_first))


def _files_first(name: str) -> tuple[bool, str]:
    return (not name.endswith("File"), name)


def _table(name: str, blocks: Mapping[str, Mapping[str, Any]]) -> str:
    block = blocks[name]
    return "\n".join(
        [
            f"### {name}",
            "",
            _one_line(block.get("description", "")),
            "",
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *_rows(block, blocks),
            "",
        ]
    )


def _rows(block: Mapping[str, Any], blocks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    required = block.get("required", ())
    for key, value in block["properties"].items():
        default = "required" if key in required else _default(value.get("default"))
        # Beside a reference to a block, the block's own description stands for the key's.
        described = value if "description" in value else blocks.get(_kind(value), {})
        meaning = _one_line(described.get("description", ""))
        yield f"| `{key}` | {_kind(value)} | {default} | {meaning} |"


def _default(value: object) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "its defaults" if value else "`{}`"
        case list() if len(value) > 1:
            return "see the sample"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'`"{value}"`'
        case _:
            return f"`{value}`"


def _kind(value: Mapping[str, Any]) -> str:
    """A type as people say it."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "enum" in value:
        return " · ".join(f"`{option}`" for option in value["enum"])
    if "anyOf" in value or "oneOf" in value:
        kinds = dict.fromkeys(_kind(option) for option in value.get("anyOf", value.get("oneOf")))
        return " or ".join(kinds)
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    if value.get("type") == "object":
        return f"mapping of {_kind(value['additionalProperties'])}"
    return _scalar_kind(value)


def _scalar_kind(value: Mapping[str, Any]) -> str:
    kind = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
    name = kind.get(str(value.get("type")), str(value.get("type")))
    bounds = [
        f"{sign} {value[bound]}"
        for bound, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
        )
        if bound in value
    ]
    return f"{name} {', '.join(bounds)}".rstrip()


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
