import orjson
import pytest

from gateway.dialects.openai_responses_call import read_call
from gateway.dialects.openai_responses_prompt import prompt_bound_tokens, prompt_parts


def call_of(**fields):
    return read_call(orjson.dumps({"model": "gpt-4.1"} | fields))


def parts_of(**fields):
    return prompt_parts(call_of(**fields))


def test_a_plain_text_is_a_message():
    parts = parts_of(input="Hi")

    assert (["user", "Hi"], 6) == (parts.texts, parts.fixed_tokens)


def test_instructions_are_another():
    parts = parts_of(input="Hi", instructions="Be brief.")

    assert (["developer", "Be brief.", "user", "Hi"], 9) == (parts.texts, parts.fixed_tokens)


@pytest.mark.parametrize(
    ("item", "texts", "framing"),
    [
        ({"role": "user", "content": "Hi"}, ["user", "Hi"], 3),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            ["user", "Hi"],
            3,
        ),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]},
            ["assistant", "No"],
            3,
        ),
        (
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
            ["f", "{}"],
            12,
        ),
        ({"type": "custom_tool_call", "name": "f", "input": "x"}, ["f", "x"], 12),
        ({"type": "mcp_call", "name": "f", "arguments": "{}", "output": "4"}, ["f", "{}", "4"], 12),
        ({"type": "function_call_output", "output": "4"}, ["4"], 3),
        (
            {"type": "function_call_output", "output": [{"type": "input_text", "text": "4"}]},
            ["4"],
            3,
        ),
        (
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
            ["Hm"],
            3,
        ),
        ({"type": "reasoning", "summary": [], "encrypted_content": "g" * 401}, [], 104),
        ({"type": "compaction", "encrypted_content": "g" * 400}, [], 103),
        ({"type": "item_reference", "id": "x"}, [], 3),
        ({"type": "local_shell_call", "id": "x"}, ['{"type":"local_shell_call","id":"x"}'], 12),
        ({"type": ["odd"]}, [], 3),
    ],
)
def test_items_become_their_texts_and_their_framing(item, texts, framing):
    parts = parts_of(input=[item])

    assert (texts, 3 + framing) == (parts.texts, parts.fixed_tokens)


def test_tools_cost_what_they_cost_in_chat():
    parameters = {"type": "object", "properties": {"a": {"type": "string", "description": "b"}}}
    tool = {"type": "function", "name": "f", "description": "d", "parameters": parameters}
    parts = parts_of(input="Hi", tools=[tool])

    assert ["user", "Hi", "f:d", "a:string:b"] == parts.texts
    assert 6 + 10 + 12 + 3 + 3 == parts.fixed_tokens


def test_a_schema_is_shown_to_the_model():
    wanted = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    parts = parts_of(input="Hi", text={"format": wanted})

    assert orjson.dumps(wanted).decode() in parts.texts
    assert ["user", "Hi"] == parts_of(input="Hi", text={"format": {"type": "text"}}).texts


def test_the_bound_is_the_bodys_bytes_within_the_context():
    call = call_of(input="Hi " * 100)

    assert len(orjson.dumps(call.document)) == prompt_bound_tokens(call, context_tokens=1000)
    assert 100 == prompt_bound_tokens(call, context_tokens=100)


def test_what_is_only_named_may_fill_the_context():
    call = call_of(input="Hi", previous_response_id="resp_1")

    assert 1000 == prompt_bound_tokens(call, context_tokens=1000)


def test_pictures_are_in_the_bound_and_in_the_count():
    parts = [{"type": "input_image", "file_id": "f", "detail": "low"}]
    call = call_of(input=[{"role": "user", "content": parts}])

    assert call.text_bytes + 85 == prompt_bound_tokens(call, context_tokens=10_000)
    assert 3 + 3 + 85 == prompt_parts(call).fixed_tokens
