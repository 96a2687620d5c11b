import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_chat_call import read_call
from gateway.dialects.openai_chat_prompt import prompt_bound_tokens, prompt_parts
from gateway.metering.images import image_tokens


def call_of(**fields):
    return read_call(Request(body=orjson.dumps({"model": "gpt-4o", "messages": []} | fields)))


def user(content):
    return {"messages": [{"role": "user", "content": content}]}


def test_the_bound_is_the_bodys_length_for_plain_text():
    call = call_of(**user("Hi"))

    assert call.text_bytes == prompt_bound_tokens(call, context_tokens=128_000)


def test_the_bound_never_passes_the_context():
    call = call_of(**user("Hi " * 1000))

    assert 500 == prompt_bound_tokens(call, context_tokens=500)


def test_each_opaque_input_may_fill_the_context():
    call = call_of(**user([{"type": "file", "file": {"file_id": "file-1"}}]))

    assert 128_000 == prompt_bound_tokens(call, context_tokens=128_000)


def test_images_and_audio_count_beside_the_text():
    call = call_of(
        **user(
            [
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            ]
        )
    )
    (image,) = call.images

    assert call.audio_tokens > 0
    expected = call.text_bytes + call.audio_tokens + image_tokens("gpt-4o", image)
    assert expected == prompt_bound_tokens(call, context_tokens=128_000)
    parts = prompt_parts(call)
    assert 3 + 3 + image_tokens("gpt-4o", image) == parts.fixed_tokens
    assert call.audio_tokens == parts.audio_tokens


def test_messages_are_framed_as_the_cookbook_says():
    parts = prompt_parts(
        call_of(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": "Hi"},
                {"role": "assistant", "refusal": "No.", "content": None},
                {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
            ]
        )
    )

    assert 4 * 3 + 1 + 3 == parts.fixed_tokens
    assert sorted(
        ["system", "Be brief.", "user", "ann", "Hi", "assistant", "No.", "user", "Why?"]
    ) == sorted(parts.texts)


def test_earlier_tool_calls_are_part_of_the_prompt():
    calls = [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_b", "type": "custom", "custom": {"name": "g", "input": "x"}},
    ]
    one = prompt_parts(call_of(messages=[{"role": "assistant", "tool_calls": calls[:1]}]))
    two = prompt_parts(call_of(messages=[{"role": "assistant", "tool_calls": calls}]))
    old = prompt_parts(
        call_of(messages=[{"role": "assistant", "function_call": calls[0]["function"]}])
    )

    assert ["assistant", "f", '{"a":1}'] == one.texts == old.texts
    assert ["assistant", "f", '{"a":1}', "g", "x"] == two.texts
    assert (3 + 3 + 12, 3 + 3 + 2 * 12 + 8) == (one.fixed_tokens, two.fixed_tokens)


def test_tools_are_part_of_the_prompt_in_both_spellings():
    function = {"name": "f", "description": "Do it."}
    new = prompt_parts(call_of(tools=[{"type": "function", "function": function}]))
    old = prompt_parts(call_of(functions=[function]))

    assert ["f:Do it"] == new.texts == old.texts
    assert 3 + 12 + 10 == new.fixed_tokens == old.fixed_tokens


def test_a_response_schema_is_part_of_the_prompt():
    schema = {"name": "s", "schema": {"type": "string", "enum": ["a", "b", "c"]}}
    parts = prompt_parts(call_of(response_format={"type": "json_schema", "json_schema": schema}))

    assert [orjson.dumps(schema).decode()] == parts.texts
    assert 3 + 24 + 3 * 2 == parts.fixed_tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": "x", "functions": {}, "response_format": "json"},
        {"tools": [None, 5], "response_format": {"type": "json_schema", "json_schema": []}},
        {"messages": [None, {"tool_calls": [None, {"function": 1}, {}], "content": [1]}]},
    ],
)
def test_odd_shapes_are_left_to_the_provider(fields):
    assert [] == prompt_parts(call_of(**fields)).texts


def test_deeply_nested_schemas_are_walked():
    schema: object = {"enum": ["a"]}
    for _ in range(120):
        schema = {"anyOf": [schema]}
    parts = prompt_parts(call_of(tools=[{"type": "function", "function": {"parameters": schema}}]))

    assert 3 + 12 + 10 + 2 == parts.fixed_tokens


def test_what_a_model_is_told_about_tools_is_part_of_the_prompt_and_of_its_bound():
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    with_tools, older = call_of(model="gpt-5.4", **tools), call_of(model="gpt-4.1", **tools)
    of_bytes = prompt_bound_tokens(older, context_tokens=10_000)

    assert prompt_parts(older).fixed_tokens + 84 == prompt_parts(with_tools).fixed_tokens
    assert of_bytes + 84 == prompt_bound_tokens(with_tools, context_tokens=10_000)
