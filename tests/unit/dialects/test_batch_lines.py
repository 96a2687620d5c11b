"""A file's requests are summed up by model, and never less than they may use."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.batch_lines import BatchLines, lines_of, share_of_facts
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_embeddings import OpenAIEmbeddings

FORMATS = {"/v1/chat/completions": OpenAIChat(), "/v1/embeddings": OpenAIEmbeddings()}


def line(url="/v1/chat/completions", **body):
    body.setdefault("model", "gpt-4.1-mini")
    if url.endswith("completions"):
        body.setdefault("messages", [{"role": "user", "content": "hello"}])
    return orjson.dumps({"custom_id": "1", "method": "POST", "url": url, "body": body})


def facts(*lines):
    sums = BatchLines(FORMATS)
    for each in lines:
        sums.add(each)
    return sums.facts()


def many(*lines):
    [found] = facts(*lines)["models"].values()
    return share_of_facts(found, service_tier="batch").many


def body_bytes(text):
    return len(orjson.dumps(orjson.loads(text)["body"]))


def test_a_prompt_is_bounded_by_the_bytes_of_its_request_alone():
    first, second = line(max_tokens=10), line(max_tokens=5, n=3, user="someone")

    sums = many(first, second)

    assert (2, body_bytes(first) + body_bytes(second)) == (sums.calls, sums.input_tokens)
    assert body_bytes(second) == sums.longest_input_tokens
    assert (10 + 3 * 5, 0) == (sums.output_tokens, sums.uncapped_answers)


def test_answers_without_a_cap_are_counted_and_not_guessed():
    sums = many(line(), line(n=4), line(max_tokens=7))

    assert (7, 5) == (sums.output_tokens, sums.uncapped_answers)


def test_what_is_only_named_is_counted_apart():
    named = {"type": "file", "file": {"file_id": "file-1"}}
    sums = many(line(messages=[{"role": "user", "content": [named, named]}]))

    assert 2 == sums.opaque_inputs
    assert sums.input_tokens < 200


def test_what_has_no_output_needs_none():
    sums = many(line("/v1/embeddings", model="e", input="some text"))

    assert (0, 0) == (sums.output_tokens, sums.uncapped_answers)
    assert sums.input_tokens >= len("some text")


def test_models_and_urls_are_kept_apart():
    found = facts(line(), line(model="gpt-5"), line("/v1/embeddings", model="e", input="x"))

    assert {"gpt-4.1-mini", "gpt-5", "e"} == set(found["models"])
    assert ["/v1/chat/completions", "/v1/embeddings"] == found["urls"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "not valid UTF-8 JSON"),
        (b"[]", "a JSON object"),
        (b'{"url":"/v1/chat/completions"}', "body must be an object; nothing came"),
        (line("/v1/unheard-of"), "cannot be metered in a batch"),
        (line(max_tokens="many"), "max_tokens must be a non-negative integer; a string came"),
        (line().replace(b'"model"', b'"model":"other","model"'), "model was given more than once"),
    ],
)
def test_the_first_line_that_cannot_be_metered_is_named(bad, why):
    found = facts(line(), bad, line("/v1/another"))

    assert found["problem"].startswith("line 2: ")
    assert why in found["problem"]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_raises_nothing(lines):
    facts(*lines)


def test_facts_survive_being_written_down():
    found = facts(line(max_tokens=3))["models"]["gpt-4.1-mini"]
    again = share_of_facts(orjson.loads(orjson.dumps(found)), service_tier="")

    assert found == again.to_facts()


def test_nothing_of_a_prompt_is_remembered():
    secret = line(messages=[{"role": "user", "content": "canary-in-the-mine"}])

    assert b"canary" not in orjson.dumps(facts(secret))


@pytest.mark.parametrize("text", [b"", b"a", b"a\nb", b"a\r\nb\n", b"\n\n a \n"])
def test_lines_of_a_part_are_those_of_the_part_alone(text):
    body = b"before\n" + text + b"\nafter"

    found = list(lines_of(body, start=7, end=7 + len(text)))

    assert [each.strip() for each in text.split(b"\n")][: len(found)] == found
    assert [each.strip() for each in text.splitlines() if each.strip()] == [
        each for each in found if each
    ]
