"""What an answer says, and that its figures are true however it is cut."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.chat import (
    ANSWER_TOKENS,
    MESSAGE_TOKENS,
    ChatAnswer,
    RefusedRequest,
    answer_chat,
)
from gateway.simulator.script import Script
from gateway.tokens.vocabulary import vocabulary

ASKED = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Tell me a story."}]}


def answered(script: Script | None = None, **fields: object) -> ChatAnswer:
    return answer_chat(
        ASKED | fields,
        script=script or Script(),
        count=vocabulary("o200k_base").count,
        created_s=1_790_000_000,
    )


@given(
    tokens=st.integers(1, 120),
    chunk_tokens=st.integers(1, 9),
    chunk_chars=st.integers(0, 30),
    choices=st.integers(1, 3),
)
def test_the_count_does_not_depend_on_how_the_text_is_cut(
    tokens, chunk_tokens, chunk_chars, choices
) -> None:
    answer = answered(
        Script(tokens=tokens, chunk_tokens=chunk_tokens, chunk_chars=chunk_chars), n=choices
    )

    count = vocabulary("o200k_base").count
    assert tokens * choices == answer.completion_tokens
    assert [tokens] * choices == [count(choice.text) for choice in answer.choices]


def test_the_same_question_gets_the_same_answer() -> None:
    assert answered() == answered()


def test_prompt_tokens_are_those_of_the_texts_and_the_framing() -> None:
    count = vocabulary("o200k_base").count

    assert (
        ANSWER_TOKENS + MESSAGE_TOKENS + count("user") + count("Tell me a story.")
        == answered().prompt_tokens
    )


def test_text_parts_are_counted_as_the_text_they_hold() -> None:
    parts = [{"type": "text", "text": "Tell me "}, {"type": "text", "text": "a story."}]
    split = answered(messages=[{"role": "user", "content": parts}])

    assert answered().prompt_tokens == split.prompt_tokens


def test_thinking_uses_up_the_allowance_before_the_text_does() -> None:
    some_left = answered(Script(tokens=50, reasoning=6), max_completion_tokens=10)
    none_left = answered(Script(tokens=50, reasoning=60), max_completion_tokens=10)

    assert (10, 6) == (some_left.completion_tokens, some_left.reasoning_tokens)
    assert (10, "") == (none_left.completion_tokens, none_left.text)
    assert {"length"} == {some_left.choices[0].finish_reason, none_left.choices[0].finish_reason}


def test_a_tool_is_chosen_by_its_name() -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {}}} for name in ("a", "b")
    ]
    choice = {"type": "function", "function": {"name": "b"}}
    [named] = answered(tools=tools, tool_choice=choice).choices
    [forbidden] = answered(Script(tool=True), tools=tools, tool_choice="none").choices

    assert named.tool is not None
    assert ("b", {}) == (named.tool.name, orjson.loads(named.text))
    assert forbidden.tool is None


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "9"])
def test_an_impossible_cap_is_refused(limit) -> None:
    with pytest.raises(RefusedRequest, match="max_tokens"):
        answered(max_tokens=limit)
