"""Where a response in the background stands, from its object or from any event that carries it."""

import pytest
from openai.types.responses import ResponseStatus

from gateway.dialects.base import Request
from gateway.dialects.openai_background import PHASES, BackgroundResponses
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

JOBS = BackgroundResponses()
USAGE = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}


def response(status="completed", **more):
    return {"id": "resp_1", "object": "response", "status": status, "output": []} | more


def test_every_status_the_sdk_knows_has_a_phase():
    assert set(ResponseStatus.__args__) == set(PHASES)


@pytest.mark.parametrize("status", PHASES)
def test_only_what_has_ended_tells_its_usage(status):
    read = JOBS.read(response(status, usage=USAGE))

    told = (Told(usage=Usage(input_uncached=100, output_text=50)),)
    assert PHASES[status] is read.phase
    assert (told if read.over else ()) == read.told


def test_tools_are_told_with_it():
    search = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    tools = {"tools": [{"type": "web_search_preview"}], "output": [search]}

    [told] = JOBS.read(response(usage=USAGE) | tools).told

    assert (("web_search_preview", 1),) == told.usage.pieces


def test_an_event_carries_it_as_well():
    event = {"type": "response.completed", "sequence_number": 9, "response": response(usage=USAGE)}

    assert JOBS.read(response(usage=USAGE)) == JOBS.read(event)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"object": "response", "status": "completed"},
        response(id=5),
        response("unheard-of"),
        response(object="batch"),
        {"type": "response.output_item.done", "item": {"id": "m", "status": "completed"}},
        {"type": "error", "response": None, "status": "failed"},
    ],
)
def test_anything_else_tells_of_no_job(document):
    assert JOBS.read(document) is None


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
def test_it_is_asked_for_where_it_was_begun(prefix):
    status = JobStatus(job_id="resp_1", phase=Phase.OPEN)

    assert f"{prefix}/responses/resp_1" == JOBS.path(f"{prefix}/responses", status)


def test_nothing_has_to_be_remembered_for_it():
    assert () == tuple(JOBS.named(Request(body=b"not looked at")))
    assert JOBS.results is None
