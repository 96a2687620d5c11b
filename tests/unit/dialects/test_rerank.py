import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.rerank import Rerank
from gateway.errors import BadCall
from gateway.metering.call import sold_by_piece

DIALECT = Rerank()


def read(documents: object, **fields: object):
    body = orjson.dumps({"model": "rerank-v3.5", "query": "tolls", "documents": documents} | fields)
    return DIALECT.read_call(Request(body=body))


def units(call) -> tuple[int, int]:
    """What is owed, and the most it can be."""
    return dict(call.by_piece.owed)["search_unit"], dict(call.by_piece.most)["search_unit"]


@pytest.mark.parametrize(
    ("documents", "owed", "most"),
    [
        (["a road"], 1, 1),
        ([], 1, 1),
        (["a road"] * 100, 1, 1),
        (["a road"] * 101, 2, 2),
        # 10 000 bytes: 5 parts of 500 tokens in English, at most 21 in any script.
        (["x" * 9_995] * 20, 1, 4),
        (["x" * 10_000] * 20, 2, 5),
    ],
)
def test_search_units_are_a_hundred_documents_or_parts_of_500_tokens(documents, owed, most):
    assert (owed, most) == units(read(documents))


def test_by_the_token_the_query_is_read_with_each_document():
    call = read(["a road", {"text": "a river", "title": "West"}])

    assert (2, 0) == (call.prompts, call.max_output_tokens)
    parts = DIALECT.prompt_parts(call)
    assert ["a road", "a river\nWest", "tolls", "tolls"] == parts.texts
    assert 8 == parts.fixed_tokens
    assert 28 + 8 == DIALECT.prompt_bound_tokens(call, context_tokens=1_000)
    assert 20 == DIALECT.prompt_bound_tokens(call, context_tokens=10)


def test_a_picture_may_fill_the_context():
    call = read([{"image": "https://example.com/a.png"}, "a road"])

    assert 1 == call.opaque_inputs
    assert DIALECT.prompt_bound_tokens(call, context_tokens=1_000) > 1_000


def test_sold_by_the_unit_there_is_no_token_to_count():
    sold = sold_by_piece(read(["a road"]))

    assert (("search_unit", 1),) == sold.owed == sold.terms.pieces
    assert () == DIALECT.prompt_parts(sold).texts
    assert 0 == DIALECT.prompt_bound_tokens(sold, context_tokens=1_000)


def test_a_server_of_one_model_is_not_asked_for_it():
    body = b'{"query":"tolls","texts":["a road"]}'
    call = DIALECT.read_call(Request(body=body, path="/rerank"))

    assert "rerank" == call.model
    assert ["a road", "tolls"] == DIALECT.prompt_parts(call).texts
    assert body == DIALECT.prepare(call, Request(body=body), upstream_model="rerank").body
    named = DIALECT.prepare(call, Request(body=body), upstream_model="bge").body
    assert b'{"model":"bge","query":"tolls","texts":["a road"]}' == named


def test_an_alias_is_spliced():
    body = b'{"query":"q","model":"best","documents":[]}'
    call = DIALECT.read_call(Request(body=body))

    assert (
        b'{"query":"q","model":"rerank-v3.5","documents":[]}'
        == DIALECT.prepare(call, Request(body=body), upstream_model="rerank-v3.5").body
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"model":"m","query":"q"}', "documents must be an array; nothing came"),
        (b'{"model":"m","query":"q","documents":"a"}', "documents must be an array; a string came"),
        (b'{"model":"m","query":"q","texts":5}', "texts must be an array; an integer came"),
        (b'{"model":5,"query":"q","documents":[]}', "model must be a string; an integer came"),
        (b'{"model":"m","documents":[],"documents":["a"]}', "documents was given more than once"),
    ],
)
def test_what_decides_the_price_must_be_readable(body, message):
    with pytest.raises(BadCall, match=message):
        DIALECT.read_call(Request(body=body))
