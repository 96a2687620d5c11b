import orjson
import pytest
from google.genai import types

from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_cache import KNOWN, TOKENS_MAX, GeminiCache, read_kept
from gateway.errors import BadCall

DIALECT = GeminiCache()
NOW_MS = 1_795_687_200_000
BOOK = {
    "model": "models/gemini-2.5-flash",
    "contents": [{"role": "user", "parts": [{"text": "A long book."}]}],
}


def request(document, *, path="/v1beta/cachedContents", style=0):
    body = document if isinstance(document, bytes) else orjson.dumps(document, option=style)
    return Request(body=body, path=path, now_ms=NOW_MS)


def cached(tokens=3_600, *, begin="2026-11-26T10:00:00Z", end="2026-11-26T10:00:10Z"):
    return {
        "createTime": begin,
        "updateTime": "2026-11-26T10:00:08Z",
        "expireTime": end,
        "usageMetadata": {"totalTokenCount": tokens},
    }


@pytest.mark.parametrize(
    ("lives", "token_hours_per_byte"),
    [
        ({}, 1),
        ({"ttl": "7200s"}, 2),
        ({"ttl": "0s"}, 0),
        ({"expireTime": "2026-11-26T13:00:00Z"}, 3),
        ({"expire_time": "2026-11-26T14:00:00+01:00"}, 3),
        # Over before it begins: the provider's to judge.
        ({"expireTime": "2020-01-01T00:00:00Z"}, 0),
    ],
)
def test_what_is_created_is_held_for_its_prompt_and_its_time(lives, token_hours_per_byte):
    document = BOOK | lives
    call = DIALECT.read_call(request(document))
    size = len(orjson.dumps(document))

    assert ("gemini-2.5-flash", 0) == (call.model, call.max_output_tokens)
    assert (("cached_token_hour", size * token_hours_per_byte),) == call.terms.pieces == call.owed
    assert size == DIALECT.prompt_bound_tokens(call, context_tokens=1_000_000)
    assert ["A long book."] == DIALECT.prompt_parts(call).texts


def test_what_cannot_be_seen_may_fill_any_context():
    document = BOOK | {"contents": [{"parts": [{"fileData": {"fileUri": "files/1"}}]}]}
    call = DIALECT.read_call(request(document))

    assert 1 == call.opaque_inputs
    assert (("cached_token_hour", TOKENS_MAX),) == call.terms.pieces


def test_keeping_it_longer_has_a_line_of_its_own_and_no_tokens():
    call = DIALECT.read_call(request({"ttl": "1800s"}, path="/v1beta/cachedContents/abc"))

    assert ("cached_token_hour", True, False) == (call.model, call.unrouted, call.counts_tokens)
    assert (("cached_token_hour", TOKENS_MAX // 2),) == call.terms.pieces
    assert 0 == DIALECT.prompt_bound_tokens(call, context_tokens=1_000_000)
    assert () == DIALECT.prompt_parts(call).texts


@pytest.mark.parametrize("style", [0, orjson.OPT_INDENT_2])
@pytest.mark.parametrize("place", ["models/", "projects/p/locations/l/publishers/google/models/"])
def test_an_alias_is_spliced_into_the_body(place, style):
    sent = request(BOOK | {"model": f"{place}fast"}, style=style)
    call = DIALECT.read_call(sent)
    prepared = DIALECT.prepare(call, sent, upstream_model="gemini-2.5-flash")

    assert "fast" == call.model
    expected = BOOK | {"model": f"{place}gemini-2.5-flash"}
    assert Prepared(orjson.dumps(expected, option=style)) == prepared
    assert Prepared(sent.body) == DIALECT.prepare(call, sent, upstream_model="fast")


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (BOOK | {"ttl": 300}, "ttl"),
        (BOOK | {"ttl": "5m"}, "ttl"),
        (BOOK | {"expireTime": "tomorrow"}, "expireTime"),
        ({"contents": []}, "model"),
        (b'{"model":"models/a","ttl":"1s","ttl":"9s"}', "ttl"),
        (b'{"model":"models/a","expireTime":"x","expire_time":"y"}', "expireTime"),
    ],
)
def test_what_decides_the_price_has_to_be_understood(document, param):
    with pytest.raises(BadCall) as refused:
        DIALECT.read_call(request(document))

    assert {"param": param} == refused.value.details


@pytest.mark.parametrize(
    ("document", "created", "used"),
    [
        (cached(), True, {"input_uncached": 3_600, "cached_token_hour": 10}),
        (cached(), False, {"cached_token_hour": 2}),
        # Rounded up, once.
        (cached(1), True, {"input_uncached": 1, "cached_token_hour": 1}),
    ],
)
def test_the_answer_says_what_is_kept_and_for_how_long(document, created, used):
    assert used == read_kept(document, created=created).usage.nonzero()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        cached(0),
        cached(-1),
        cached(TOKENS_MAX + 1),
        cached(tokens=True),
        cached("3600"),
        cached(end=None),
        cached(end="later"),
        cached() | {"createTime": None},
        cached() | {"usageMetadata": 3},
    ],
)
def test_what_is_not_said_believably_is_not_said(document):
    assert None is read_kept(document, created=True)


def test_every_count_of_the_sdk_is_in_the_table():
    fields = types.CachedContentUsageMetadata.model_fields.values()

    assert set(KNOWN) == {field.alias for field in fields}
