import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_completions_call import (
    PROMPTS_MAX,
    bound_tokens,
    parts_of,
    read_call,
)
from gateway.errors import BadCall


def call_of(**fields):
    return read_call(Request(body=orjson.dumps({"model": "m"} | fields)))


@pytest.mark.parametrize(
    ("prompt", "texts", "fixed", "prompts"),
    [
        ("Hi", ["Hi"], 0, 1),
        (["Hi", "Ho"], ["Hi", "Ho"], 0, 2),
        ([5, 6, 7], [], 3, 1),
        ([[5, 6], [7]], [], 3, 2),
        (["Hi", [5, 6]], ["Hi"], 2, 2),
        ("", [], 1, 1),
        ([""], [], 1, 1),
        (None, [], 1, 1),
    ],
)
def test_prompts_are_read_as_they_are(prompt, texts, fixed, prompts):
    call = call_of(prompt=prompt)
    parts = parts_of(call)

    assert (texts, fixed) == (parts.texts, parts.fixed_tokens)
    assert (prompts, prompts) == (call.prompts, call.choices)


def test_a_suffix_is_read_with_each_prompt():
    assert ["a", "z", "b", "z"] == parts_of(call_of(prompt=["a", "b"], suffix="z")).texts


@pytest.mark.parametrize(
    ("n", "best_of", "choices"),
    [(None, None, 2), (3, None, 6), (None, 4, 8), (2, 5, 10), (3, 2, 6)],
)
def test_every_continuation_that_is_made_may_be_as_long_as_the_cap(n, best_of, choices):
    assert choices == call_of(prompt=["a", "b"], n=n, best_of=best_of).choices


def test_nothing_is_made_where_a_prompt_is_only_scored():
    assert 0 == call_of(prompt="a", max_tokens=0, echo=True).max_output_tokens


def test_the_bound_is_never_below_the_prompts_and_never_above_their_contexts():
    call = call_of(prompt=["a" * 50, "b"])

    assert call.text_bytes + 2 == bound_tokens(call, context_tokens=1_000)
    assert 20 == bound_tokens(call, context_tokens=10)
    assert 1_000 == bound_tokens(call_of(prompt_embeds="QUJD"), context_tokens=1_000)


def test_a_tier_that_may_cost_more_is_named():
    assert "priority" == call_of(prompt="a", service_tier="priority").terms.service_tier


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"prompt": 5},
            "prompt must be a string, an array of tokens, or an array of either; an integer came.",
        ),
        (
            {"prompt": []},
            "prompt must be a string, an array of tokens, or an array of either; an array came.",
        ),
        (
            {"prompt": ["a", True]},
            "prompt[] must be a string or an array of tokens; a boolean came.",
        ),
        ({"prompt": [[1, "a"]]}, "prompt[] must be a string or an array of tokens; an array came."),
        ({"prompt": ["a"] * (PROMPTS_MAX + 1)}, f"prompt must be at most {PROMPTS_MAX} prompts."),
        ({"prompt": "a", "n": True}, "n must be an integer; a boolean came."),
        ({"prompt": "a", "best_of": 129}, "best_of must be from 1 to 128."),
        ({"prompt": "a", "echo": 1}, "echo must be a boolean; an integer came."),
        (
            {"prompt": "a", "stream_options": 1},
            "stream_options must be an object; an integer came.",
        ),
        ({"model": 1}, "model must be a string; an integer came."),
    ],
)
def test_malformed_calls_are_refused_by_name(fields, message):
    with pytest.raises(BadCall) as caught:
        call_of(**fields)

    assert message == caught.value.message


@pytest.mark.parametrize("key", ["prompt", "best_of", "n", "max_tokens", "echo", "suffix"])
def test_keys_that_matter_are_given_once(key):
    body = b'{"model":"a","%b":null,"%b":null}' % (key.encode(), key.encode())

    with pytest.raises(BadCall) as caught:
        read_call(Request(body=body))

    assert {"param": key} == caught.value.details
