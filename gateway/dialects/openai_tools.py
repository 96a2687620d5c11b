"""What tool definitions add to a prompt.

Models see tools as a TypeScript-like namespace that is not published. For functions whose
parameters are flat, "How to count tokens with tiktoken" in the OpenAI cookbook (read 2026-11-23)
gives figures that match the API's; for all others their JSON says the same in more tokens, but
for enum items, where the cookbook's figures make up the difference. Knows no tokenizer.
"""

from collections.abc import Mapping, Sequence

import orjson

# func_init of the older models; 7 since gpt-4o.
FUNCTION_TOKENS = 10
# func_end, once a request.
TOOLS_TOKENS = 12
# prop_init and prop_key.
PROPERTIES_TOKENS = 3
PROPERTY_TOKENS = 3
# enum_init and enum_item.
ENUM_TOKENS = -3
ENUM_ITEM_TOKENS = 3
# JSON's own quotes and comma may be a single token beside an enum item's text.
JSON_ENUM_ITEM_TOKENS = 2

# Keywords that change nothing of what the model sees of a flat function.
_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
_SCHEMA_KEYS = frozenset({"type", "properties", "required", "additionalProperties", "$schema"})
_PROPERTY_KEYS = frozenset({"type", "description", "enum"})


def add_tools(tools: Sequence[Mapping[str, object]], texts: list[str]) -> int:
    """Append the texts to count; answer the tokens beside them."""
    fixed = 0
    for tool in tools:
        function = tool.get("function", tool)
        flat = _flat(function)
        if flat is not None:
            fixed += _add_flat(flat, texts)
        else:
            fixed += FUNCTION_TOKENS + add_schema(tool, texts)
    return fixed + TOOLS_TOKENS if tools else 0


def add_schema(schema: Mapping[str, object], texts: list[str]) -> int:
    """Any JSON schema, or what contains one, by its JSON."""
    texts.append(orjson.dumps(schema).decode())
    return JSON_ENUM_ITEM_TOKENS * _enum_items(schema)


def _flat(function: object) -> Mapping[str, Mapping[str, object]] | None:
    """The lines of a function the cookbook's figures hold for: its head, then its properties."""
    if not isinstance(function, dict) or not function.keys() <= _FUNCTION_KEYS:
        return None
    schema = function.get("parameters", {})
    if not isinstance(schema, dict) or not schema.keys() <= _SCHEMA_KEYS:
        return None
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(map(_is_flat, properties.values())):
        return None
    head = f"{function.get('name')}:{str(function.get('description') or '').removesuffix('.')}"
    return {head: {}} | {
        f"{name}:{one.get('type')}:{str(one.get('description') or '').removesuffix('.')}": one
        for name, one in properties.items()
    }


def _is_flat(schema: object) -> bool:
    return (
        isinstance(schema, dict)
        and schema.keys() <= _PROPERTY_KEYS
        and schema.get("type") in ("string", "number", "integer", "boolean")
    )


def _add_flat(lines: Mapping[str, Mapping[str, object]], texts: list[str]) -> int:
    texts += lines
    properties = len(lines) - 1
    fixed = FUNCTION_TOKENS + (PROPERTIES_TOKENS if properties else 0)
    for schema in lines.values():
        items = schema.get("enum")
        if isinstance(items, list):
            texts += map(str, items)
            fixed += ENUM_TOKENS + ENUM_ITEM_TOKENS * len(items)
    return fixed + PROPERTY_TOKENS * properties


def _enum_items(schema: Mapping[str, object]) -> int:
    """All enum items at any depth; a stack, so that deep schemas cost no deep calls."""
    items = 0
    todo: list[object] = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            enum = node.get("enum")
            items += len(enum) if isinstance(enum, list) else 0
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return items
