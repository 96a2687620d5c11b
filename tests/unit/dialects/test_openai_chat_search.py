import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_chat_search import made_searches, offered_searches
from gateway.metering.call import Call

ONE = (("web_search", 1),)


@pytest.mark.parametrize(
    ("document", "model"),
    [
        ({"web_search_options": {}}, "gpt-4o"),
        ({"web_search_options": {"search_context_size": "low"}}, "m"),
        ({}, "gpt-4o-search-preview"),
        ({}, "openai/gpt-4o-mini-search-preview-2025-03-11"),
        ({}, "gpt-5-search-api"),
        ({}, "anthropic/claude-sonnet-4:online"),
        ({"plugins": [{"id": "web", "max_results": 5}]}, "m"),
    ],
)
def test_a_search_that_is_made_whatever_is_said_is_charged_once(document, model):
    assert ONE == offered_searches(document, model)
    assert ONE == made_searches(Call(model=model, document=document), {})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"web_search_options": None},
        {"plugins": [{"id": "file-parser"}, 5]},
        {"plugins": "web"},
        {"tools": [{"type": "function"}, {"type": 5}]},
    ],
)
def test_other_calls_make_none(document):
    assert () == offered_searches(document, "gpt-4o")
    assert () == made_searches(Call(model="gpt-4o", document=document), {"model": 5})


def test_a_tool_that_searches_is_charged_as_often_as_the_usage_tells():
    document = {"tools": [{"type": "openrouter:web_search"}]}

    assert (("web_search", 10),) == offered_searches(document, "m")
    assert () == made_searches(Call(model="m", document=document), {})


def test_an_alias_is_seen_through_by_the_answers_own_name():
    assert ONE == made_searches(Call(model="mine"), {"model": "gpt-4o-search-preview"})


def terms_of(**fields):
    body = orjson.dumps({"model": "gpt-4o", "messages": []} | fields)
    return OpenAIChat().read_call(Request(body=body)).terms


def test_searches_tiers_and_painting_are_terms_of_a_call():
    assert ONE == terms_of(web_search_options={}).pieces
    assert "priority" == terms_of(service_tier="fast").service_tier
    assert terms_of(modalities=["text", "image"]).media
    assert not terms_of(modalities=["text"]).media
