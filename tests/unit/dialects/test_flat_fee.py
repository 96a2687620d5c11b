import orjson
import pytest

from gateway.dialects import DIALECTS
from gateway.dialects.base import Request
from gateway.errors import BadCall
from gateway.metering.call import Terms

CONTAINERS, SEARCH = DIALECTS["openai_containers"], DIALECTS["openai_vector_search"]


@pytest.mark.parametrize(
    ("body", "piece"),
    [
        ({"name": "c"}, "container.1g"),
        ({"name": "c", "memory_limit": "16g"}, "container.16g"),
    ],
)
def test_a_container_is_owed_as_soon_as_it_is_asked_for(body, piece):
    request = Request(body=orjson.dumps(body))
    call = CONTAINERS.read_call(request)

    assert ("container", True, 0) == (call.model, call.unrouted, call.max_output_tokens)
    assert ((piece, 1),) == call.owed == call.terms.pieces
    assert request.body == CONTAINERS.prepare(call, request, upstream_model="container").body
    assert 0 == CONTAINERS.prompt_bound_tokens(call, context_tokens=100)
    assert () == CONTAINERS.prompt_parts(call).texts


@pytest.mark.parametrize(
    "body",
    [
        b'{"memory_limit":"4g","memory_limit":"64g"}',
        b'{"memory_limit":4}',
        b'{"memory_limit":"4.g"}',
        b"x",
    ],
)
def test_a_size_that_cannot_be_read_is_refused(body):
    with pytest.raises(BadCall):
        CONTAINERS.read_call(Request(body=body))


def test_a_search_costs_the_same_whatever_is_searched():
    call = SEARCH.read_call(Request(body=b"anything"))

    assert ("file_search", True) == (call.model, call.unrouted)
    assert Terms(pieces=(("file_search", 1),)) == call.terms
