import orjson
import pytest
from support.transcripts import transcripts

from gateway.dialects.anthropic_call import read_call
from gateway.dialects.anthropic_prompt import (
    MESSAGE_TOKENS,
    OWN_TOOL_TOKENS,
    PRIMING_TOKENS,
    SCHEMA_TOKENS,
    call_tokens,
    prompt_bound_tokens,
    prompt_parts,
    sealed_tokens,
)
from gateway.tokens.base import EncodingRule
from gateway.tokens.counter import TiktokenCounter

CONTEXT = 200_000
# What Claude 4.5 is told of tools.
EXPLAINED = 512


def call_of(**fields):
    body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hi"}]} | fields
    return read_call(orjson.dumps(body))


def said(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


def test_every_text_of_a_prompt_is_counted():
    call = call_of(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "text", "text": "Well"},
                    {"type": "tool_use", "id": "t", "name": "get", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "12"},
                    {"type": "tool_result", "content": [{"type": "text", "text": "13"}]},
                    {"type": "document", "title": "T", "source": {"type": "text", "data": "D"}},
                    {"type": "document", "source": {"type": "content", "content": "E"}},
                    {
                        "type": "search_result",
                        "source": "https://e",
                        "title": "S",
                        "content": [{"type": "text", "text": "F"}],
                    },
                ],
            },
        ],
    )
    parts = prompt_parts(call)

    plain = ["Be brief.", "Hi", "Hm.", "Well", "get", "12", "13", "T", "D", "E", "S", "F"]
    assert sorted([*plain, '{"a":1}', "https://e"]) == sorted(parts.texts)
    assert PRIMING_TOKENS + 3 * MESSAGE_TOKENS + call_tokens(1, 1) == parts.fixed_tokens


def test_images_cost_their_patches():
    image = {"type": "image", "source": {"type": "url", "url": "https://e/a.png"}}
    call = call_of(**said(image))

    assert PRIMING_TOKENS + MESSAGE_TOKENS + 1568 == prompt_parts(call).fixed_tokens
    assert call.text_bytes + 1568 == prompt_bound_tokens(call, context_tokens=CONTEXT)


@pytest.mark.parametrize(
    ("tool", "tokens"),
    [
        ({"name": "get", "input_schema": {"type": "object"}}, 0),
        ({"type": "custom", "name": "get", "input_schema": {"type": "object"}}, 0),
        ({"type": "bash_20250124", "name": "bash"}, 245),
        ({"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}, 700),
        ({"type": "web_search_20250305", "name": "web_search"}, OWN_TOOL_TOKENS),
    ],
)
def test_tools_cost_their_definition_and_the_prompt_that_explains_them(tool, tokens):
    call = call_of(tools=[tool])
    parts = prompt_parts(call)

    assert PRIMING_TOKENS + MESSAGE_TOKENS + EXPLAINED + tokens == parts.fixed_tokens
    assert (["Hi"] if tokens else ["Hi", orjson.dumps(tool).decode()]) == list(parts.texts)
    assert call.text_bytes + EXPLAINED + tokens == prompt_bound_tokens(call, context_tokens=CONTEXT)


@pytest.mark.parametrize(
    ("model", "choice", "tokens"),
    [
        ("claude-3-5-haiku-20241022", "auto", 346),
        ("claude-sonnet-4-20250514", "auto", 346),
        ("claude-opus-4-1-20250805", "any", 346),
        ("claude-haiku-4-5-20251001", "auto", 512),
        ("anthropic.claude-sonnet-4-6", "auto", 512),
        ("claude-sonnet-4-6", "any", 605),
        ("claude-opus-5", "tool", 605),
    ],
)
def test_tools_are_explained_at_more_length_to_newer_models(model, choice, tokens):
    call = call_of(model=model, tools=[{"name": "get"}], tool_choice={"type": choice})

    assert PRIMING_TOKENS + MESSAGE_TOKENS + tokens == prompt_parts(call).fixed_tokens


@pytest.mark.parametrize(
    "asked",
    [
        {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
    ],
)
def test_a_schema_is_part_of_the_prompt(asked):
    call = call_of(**asked)
    parts = prompt_parts(call)

    assert ["Hi", '{"type":"object"}'] == list(parts.texts)
    assert PRIMING_TOKENS + MESSAGE_TOKENS + SCHEMA_TOKENS == parts.fixed_tokens
    assert call.text_bytes + SCHEMA_TOKENS == prompt_bound_tokens(call, context_tokens=CONTEXT)


def test_a_bound_never_exceeds_the_context():
    pdf = {"type": "document", "source": {"type": "url", "url": "https://e/a.pdf"}}

    assert CONTEXT == prompt_bound_tokens(call_of(**said(pdf)), context_tokens=CONTEXT)


def test_sealed_thinking_counts_less_what_was_shown():
    thinking = {"type": "thinking", "thinking": "", "signature": "A" * 800}
    redacted = {"type": "redacted_thinking", "data": "A" * 800}

    assert 100 == sealed_tokens(800)
    assert 50 == sealed_tokens(800, shown_chars=300)
    assert 0 == sealed_tokens(8, shown_chars=300)
    parts = prompt_parts(call_of(**said(thinking, redacted)))
    assert PRIMING_TOKENS + MESSAGE_TOKENS + 200 == parts.fixed_tokens


def test_the_guides_example_of_a_tool_call_is_counted_as_it_was_billed():
    """The figures are those of the guide "Streaming messages", example "with tool use"."""
    [example] = [each for each in transcripts("anthropic_messages") if each.name == "tool_use"]
    count = TiktokenCounter([EncodingRule(match="*", encoding="o200k_base", percent=115)])
    streams = [count.open("claude-opus-4-6") for _ in example.texts]
    for stream, text in zip(streams, example.texts.values(), strict=True):
        stream.feed(text)
    counted = example.extra["output_text"] + sum(stream.total() for stream in streams)
    count.close()

    assert 89 <= counted <= 89 * 1.15
