"""A link to the provider's own host leads to us, and nothing else of an answer changes."""

import orjson
import pytest
from support.chunking import cuts

from gateway.proxy import links
from gateway.proxy.links import LinksHere, origin

HERE = "https://gateway.example"


def passed(pieces):
    filtered = LinksHere(["results_url"], provider_host=b"api.example.com", here=HERE)
    return b"".join(map(filtered.feed, pieces)) + filtered.close()


def answer(url, **more):
    return orjson.dumps({"results_url": url, "other_url": url} | more, option=orjson.OPT_INDENT_2)


def test_the_link_leads_here_in_any_pieces():
    url = "https://api.example.com/v1/batches/1/results"
    for pieces in cuts(answer(url), positions=30):
        moved = orjson.loads(passed(pieces))
        assert f"{HERE}/v1/batches/1/results" == moved["results_url"]
        assert url == moved["other_url"]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "/v1/batches/1/results",
        "https://elsewhere.example/v1",
        "https://api.example.com.evil.example/v1",
        "https://api.example.communism/v1",
        "https://user@api.example.com/v1",
    ],
)
def test_every_other_link_is_left_alone(url):
    assert answer(url) == passed([answer(url)])


def test_what_is_said_in_a_text_is_left_alone():
    said = answer(None, text='"results_url": "https://api.example.com/v1"')

    assert said == passed([said])


def test_an_answer_beyond_the_bound_passes_as_it_is(monkeypatch):
    monkeypatch.setattr(links, "BODY_BYTES_MAX", 50)
    whole = answer("https://api.example.com/v1", filling="x" * 100)

    assert whole == passed([whole[:40], whole[40:90], whole[90:]])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "gateway.example:8080"}, "http://gateway.example:8080"),
        ({"Host": "gateway.example", "X-Forwarded-Proto": "HTTPS"}, "https://gateway.example"),
        ({"Host": "gateway.example", "X-Forwarded-Proto": "gopher"}, "http://gateway.example"),
        ({}, ""),
    ],
)
def test_we_are_where_the_caller_reached_us(headers, expected):
    assert expected == origin(headers)
