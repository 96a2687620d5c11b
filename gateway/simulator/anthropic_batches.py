"""Message batches, as Anthropic answers them.
https://docs.anthropic.com/en/api/creating-message-batches (looked at 2026-11): each request is
answered as if it had come alone, when the batch is done; `x-simulate: served=N` of them, where it
is cancelled, and `end=errored` none.
"""

from collections.abc import Mapping

import orjson
from aiohttp import web

from gateway.simulator.anthropic import decide
from gateway.simulator.anthropic_wire import ANTHROPIC, message
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.sending import send_kept
from gateway.simulator.shelf import KeptJob

MADE_AT = "2026-11-26T10:00:00Z"
ENDED_AT = "2026-11-26T10:05:00Z"
EXPIRES_AT = "2026-11-27T10:00:00Z"
JSON_LINES = "application/x-jsonl"


async def _create(exchange: Exchange) -> web.StreamResponse:
    asked, shelf = exchange.document(), exchange.shelf
    requests = asked["requests"]
    assert isinstance(requests, list)
    await exchange.ready()
    batch_id = shelf.new_id("msgbatch_")
    document: dict[str, object] = {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": _counts(processing=len(requests)),
        "ended_at": None,
        "created_at": MADE_AT,
        "expires_at": EXPIRES_AT,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
    results_url = f"http://{exchange.request.host}/v1/messages/batches/{batch_id}/results"

    def finish(job: KeptJob) -> None:
        cancelled = job.document["processing_status"] == "canceling"
        served = 0 if job.script.end else job.script.served if cancelled else len(requests)
        results = [_succeeded(each, exchange) for each in requests[:served]]
        results += [_not_served(each, cancelled=cancelled) for each in requests[served:]]
        job.content = b"".join(orjson.dumps(result) + b"\n" for result in results)
        left = "canceled" if cancelled else "errored"
        job.document |= {
            "processing_status": "ended",
            "ended_at": ENDED_AT,
            "results_url": results_url,
            "request_counts": _counts(succeeded=served, **{left: len(requests) - served}),
        }

    shelf.begin(document, script=exchange.script, finish=finish)
    return await send_kept(exchange, document)


async def _retrieve(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    return await send_kept(exchange, _job(exchange).look())


async def _list(exchange: Exchange) -> web.StreamResponse:
    batches = [job.look() for job in exchange.shelf.jobs.values()]
    return await send_kept(exchange, {"data": batches, "has_more": False})


async def _cancel(exchange: Exchange) -> web.StreamResponse:
    job = _job(exchange)
    if not job.over:
        job.document |= {"processing_status": "canceling", "cancel_initiated_at": MADE_AT}
        job.due_s = 0
    return await send_kept(exchange, job.document)


async def _results(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    return await send_kept(exchange, _job(exchange).content, content_type=JSON_LINES)


async def _delete(exchange: Exchange) -> web.StreamResponse:
    job = _job(exchange)
    batch_id = str(job.document["id"])
    del exchange.shelf.jobs[batch_id]
    return await send_kept(exchange, {"id": batch_id, "type": "message_batch_deleted"})


def _job(exchange: Exchange) -> KeptJob:
    return exchange.shelf.job(exchange.request.match_info["batch_id"])


def _succeeded(request: Mapping[str, object], exchange: Exchange) -> dict[str, object]:
    params = request["params"]
    assert isinstance(params, dict)
    answered = message(decide(params, exchange))
    return {
        "custom_id": request["custom_id"],
        "result": {"type": "succeeded", "message": answered},
    }


def _not_served(request: Mapping[str, object], *, cancelled: bool) -> dict[str, object]:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "Simulated."}}
    result = {"type": "canceled"} if cancelled else {"type": "errored", "error": error}
    return {"custom_id": request["custom_id"], "result": result}


def _counts(**counted: int) -> dict[str, int]:
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    return {name: counted.get(name, 0) for name in names}


_BATCHES = "/v1/messages/batches"
ROUTES = (
    Route("POST", _BATCHES, _create, ANTHROPIC),
    Route("GET", _BATCHES, _list, ANTHROPIC),
    Route("GET", f"{_BATCHES}/{{batch_id}}", _retrieve, ANTHROPIC),
    Route("DELETE", f"{_BATCHES}/{{batch_id}}", _delete, ANTHROPIC),
    Route("POST", f"{_BATCHES}/{{batch_id}}/cancel", _cancel, ANTHROPIC),
    Route("GET", f"{_BATCHES}/{{batch_id}}/results", _results, ANTHROPIC),
)
