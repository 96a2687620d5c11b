import pytest

from gateway.metering.framing import FAMILIES, framing


@pytest.mark.parametrize(
    ("model", "answer", "schema", "call", "tools"),
    [
        ("gpt-4o-mini-2024-07-18", 0, 0, 12, 0),
        ("gpt-4.1", 0, 0, 12, 0),
        ("ft:gpt-4o:acme::id", 0, 0, 12, 0),
        ("o3-mini", 0, 0, 12, 0),
        ("gpt-5", 9, 0, 12, 0),
        ("gpt-5-mini-2025-08-07", 9, 0, 12, 0),
        ("openai/gpt-5.1-2025-11-13", 9, 0, 12, 0),
        ("gpt-5.4-2026-03-05", 3, 4, 12, 84),
        ("gpt-5.6-terra", 3, 4, 12, 84),
        ("gpt-6-luna", 3, 4, 12, 84),
        ("deepseek/deepseek-chat-v3-0324", 0, 0, 14, 86),
        ("deepseek-v4-flash", 0, 0, 26, 230),
        ("databricks-claude-3-7-sonnet", 3, 0, 48, 335),
        ("mistral-large-latest", 0, 0, 16, 0),
        ("", 0, 0, 16, 0),
    ],
)
def test_a_family_frames_in_its_own_way(model, answer, schema, call, tools):
    found = framing(model)

    assert (answer, schema, call, tools) == (
        found.answer_tokens,
        found.schema_tokens,
        found.call_tokens,
        found.tools_tokens,
    )


def test_no_row_is_hidden_by_one_before_it():
    for match, expected in FAMILIES:
        example = match.replace("[1-3]", "2").replace("[6-9]", "7").replace("[1-9]", "4")
        assert expected == framing(example.replace("*", ""))


@pytest.mark.parametrize(
    ("model", "calls", "tokens"),
    [
        ("gpt-4o", 0, 0),
        ("gpt-4o", 1, 24),
        ("gpt-4o", 2, 36),
        ("mistral-large-latest", 2, 32),
        ("claude-3-7-sonnet", 1, 48),
    ],
)
def test_tool_calls_are_framed_each_and_by_gpt_together(model, calls, tokens):
    assert tokens == framing(model).of_calls(calls)
