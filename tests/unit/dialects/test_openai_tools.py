import orjson
import pytest

from gateway.dialects.openai_tools import add_tools
from gateway.tokens.base import EncodingRule
from gateway.tokens.counter import TiktokenCounter

# The example of the cookbook, where the API counted 101 tokens with gpt-4o and 105 with gpt-4.
SYSTEM = "You are a helpful assistant that can answer to questions about the weather."
USER = "What's the weather like in San Francisco?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                },
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}
MESSAGES_TOKENS = 2 * 3 + 3


@pytest.mark.parametrize(
    ("encoding", "api_tokens", "over"), [("o200k_base", 101, 3), ("cl100k_base", 105, 0)]
)
async def test_the_cookbooks_example_is_counted_as_the_api_did(encoding, api_tokens, over):
    counter = TiktokenCounter((EncodingRule(match="*", encoding=encoding),))
    texts = ["system", SYSTEM, "user", USER]
    fixed = MESSAGES_TOKENS + add_tools([WEATHER], texts)

    assert api_tokens + over == fixed + await counter.count("any", texts)
    counter.close()


def test_no_tools_add_nothing():
    texts: list[str] = []

    assert 0 == add_tools([], texts)
    assert [] == texts


@pytest.mark.parametrize(
    "function",
    [
        {"name": "f", "parameters": {"type": "object", "$defs": {"a": {}}}},
        {"name": "f", "parameters": {"properties": {"a": {"type": "array", "items": {}}}}},
        {"name": "f", "parameters": {"properties": {"a": {"type": ["string", "null"]}}}},
        {"name": "f", "parameters": {"properties": {"a": {"type": "string", "format": "date"}}}},
        {"name": "f", "parameters": {"properties": []}},
        {"name": "f", "parameters": "x"},
        {"name": "f", "examples": []},
        "f",
    ],
)
def test_other_shapes_are_counted_by_their_json(function):
    tool = {"type": "function", "function": function}
    texts: list[str] = []

    assert 10 + 12 == add_tools([tool], texts)
    assert [orjson.dumps(tool).decode()] == texts


def test_enum_items_count_at_any_depth():
    schema: object = {"enum": ["a", 5, None]}
    for _ in range(100):
        schema = {"anyOf": [schema]}
    tool = {"type": "custom", "custom": {"name": "g", "format": schema}}

    assert 10 + 12 + 3 * 2 == add_tools([tool], [])
