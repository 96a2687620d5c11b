"""Gemini's jobs: films and batches, as operations that are polled until they are done.

A batch is pending when it is made; each of its requests is answered as if it had come alone, when
the batch is done, and the results stand in the operation itself. `x-simulate: end=filtered` holds
back all films but those `served`. Shapes as in the Gemini API reference (looked at 2026-11).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.chat import CountTokens, RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.gemini import PLACES, answer_to, objects, spelled
from gateway.simulator.gemini_wire import GEMINI, document
from gateway.simulator.sending import send_kept
from gateway.simulator.shelf import KeptJob

TYPES = "type.googleapis.com/google.ai.generativelanguage.v1main."
FAILED, CANCELLED = 13, 1


async def _film(exchange: Exchange) -> web.StreamResponse:
    asked, shelf = exchange.document(), exchange.shelf
    match = exchange.request.match_info
    exchange.entry.model = match["model"]
    await exchange.ready()
    parameters = asked.get("parameters")
    count = parameters.get("sampleCount") if isinstance(parameters, dict) else None
    place = _name(exchange).partition(":")[0]
    name = f"{place}/operations/{shelf.new_id('')}"

    def finish(job: KeptJob) -> None:
        _finish_films(job, int(count or 1))

    operation: dict[str, object] = {"name": name}
    shelf.begin(operation, script=exchange.script, finish=finish, job_id=name)
    return await send_kept(exchange, operation)


def _finish_films(job: KeptJob, count: int) -> None:
    script = job.script
    job.document["done"] = True
    if script.end == "failed":
        job.document["error"] = {"code": FAILED, "message": "Video generation failed."}
        return
    made = min(script.served, count) if script.end == "filtered" else count
    withheld: dict[str, object] = {}
    if made < count:
        withheld = {
            "raiMediaFilteredCount": count - made,
            "raiMediaFilteredReasons": ["Filtered."],
        }
    if "/publishers/" in f"/{job.document['name']}":  # Vertex AI
        films = [{"gcsUri": f"gs://films/{number}.mp4"} for number in range(made)]
        job.document["response"] = {"videos": films, **withheld}
    else:
        samples = [{"video": {"uri": f"https://films.invalid/{number}"}} for number in range(made)]
        job.document["response"] = {
            "@type": TYPES + "PredictLongRunningResponse",
            "generateVideoResponse": {"generatedSamples": samples, **withheld},
        }


async def _operation(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    name = _name(exchange)
    return await send_kept(exchange, exchange.shelf.job(name).look())


async def _fetch_operation(exchange: Exchange) -> web.StreamResponse:
    """Vertex AI's operations of models are asked for by POST."""
    name = str(exchange.document().get("operationName"))
    await exchange.ready()
    return await send_kept(exchange, exchange.shelf.job(name).look())


async def _batch(exchange: Exchange) -> web.StreamResponse:
    asked, shelf = exchange.document(), exchange.shelf
    model = exchange.request.match_info["model"]
    exchange.entry.model = model
    batch = _inside(asked, "batch", "batch")
    listed = _inside(_inside(batch, "inputConfig", "input_config"), "requests", "requests")
    requests = [_inside(each, "request", "request") for each in objects(listed.get("requests"))]
    if not requests:
        raise RefusedRequest("Only inlined requests are simulated.", param="requests")
    await exchange.ready()
    name = f"batches/{shelf.new_id('')}"
    metadata: dict[str, object] = {
        "@type": TYPES + "GenerateContentBatch",
        "model": f"models/{model}",
        "displayName": batch.get("displayName"),
        "name": name,
        "state": "BATCH_STATE_PENDING",
        "createTime": _now(),
    }
    embeds = exchange.request.match_info["verb"] == "asyncBatchEmbedContent"

    def finish(job: KeptJob) -> None:
        answer = _embedded if embeds else _answered
        served = requests[: job.script.served] if _is_cut(job) else requests
        results = [answer(each, model, job, exchange.count) for each in served]
        kind = "inlinedEmbedContentResponses" if embeds else "inlinedResponses"
        _finish_batch(job, {kind: {"inlinedResponses": results}} if results else {})

    operation: dict[str, object] = {"name": name, "metadata": metadata}
    shelf.begin(operation, script=exchange.script, finish=finish, job_id=name)
    return await send_kept(exchange, operation)


def _is_cut(job: KeptJob) -> bool:
    return _state(job) == "BATCH_STATE_CANCELLED" or job.script.end in ("failed", "expired")


def _finish_batch(job: KeptJob, output: Mapping[str, object]) -> None:
    operation, end = job.document, job.script.end
    metadata = operation["metadata"]
    assert isinstance(metadata, dict), "it was made here"
    operation["done"] = True
    metadata["endTime"] = _now()
    if _state(job) == "BATCH_STATE_CANCELLED":
        operation["error"] = {"code": CANCELLED, "message": "The batch was cancelled."}
    elif end:
        metadata["state"] = f"BATCH_STATE_{end.upper()}"
        operation["error"] = {"code": FAILED, "message": f"The batch has {end}."}
    else:
        metadata["state"] = "BATCH_STATE_SUCCEEDED"
        operation["response"] = {"@type": TYPES + "GenerateContentBatchOutput", **output}
    if output:
        metadata["output"] = output


def _answered(
    request: Mapping[str, object], model: str, job: KeptJob, count: CountTokens
) -> dict[str, object]:
    answer = answer_to(request, model=model, stream=False, script=job.script, count=count)
    return {"response": orjson.loads(document(answer))}


def _embedded(
    request: Mapping[str, object], _model: str, _job: KeptJob, count: CountTokens
) -> dict[str, object]:
    parts = objects(_inside(request, "content", "content").get("parts"))
    tokens = sum(count(str(part.get("text", ""))) for part in parts)
    return {"response": {"embedding": {"values": [0.6, 0.8]}, "tokenCount": str(tokens)}}


async def _get_batch(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    return await send_kept(exchange, _asked_batch(exchange).look())


async def _list_batches(exchange: Exchange) -> web.StreamResponse:
    jobs = exchange.shelf.jobs.items()
    batches = [job.look() for name, job in jobs if name.startswith("batches/")]
    return await send_kept(exchange, {"operations": batches})


async def _cancel_batch(exchange: Exchange) -> web.StreamResponse:
    """What was served by then is what the job's script says, and the rest never is."""
    job = _asked_batch(exchange)
    if not job.over:
        metadata = job.document["metadata"]
        assert isinstance(metadata, dict), "it was made here"
        metadata["state"] = "BATCH_STATE_CANCELLED"
        job.end()
    return await send_kept(exchange, {})


def _asked_batch(exchange: Exchange) -> KeptJob:
    return exchange.shelf.job(_name(exchange).partition(":")[0])


def _name(exchange: Exchange) -> str:
    """Of an operation, which its path is below the version."""
    return exchange.request.path.split("/", 2)[2]


def _state(job: KeptJob) -> object:
    return _inside(job.document, "metadata", "metadata").get("state")


def _inside(fields: Mapping[str, object], camel: str, snake: str) -> Mapping[str, object]:
    found = spelled(fields, camel, snake)
    return found if isinstance(found, dict) else {}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


LIST_BATCHES = Route("GET", "/v1/batches", _list_batches, GEMINI)
GET_BATCH = Route("GET", "/v1/batches/{batch_id}", _get_batch, GEMINI)
"""At paths that are OpenAI's as well: whose client asks says which answers."""

_BATCH = "{batch:[^:/]+}"
ROUTES = (
    *(Route("POST", f"{place}:predictLongRunning", _film, GEMINI) for place in PLACES),
    *(
        Route("POST", f"{place}:fetchPredictOperation", _fetch_operation, GEMINI)
        for place in PLACES
    ),
    *(Route("GET", f"{place}/operations/{{operation}}", _operation, GEMINI) for place in PLACES),
    *(
        Route(
            "POST", f"{place}:{{verb:batchGenerateContent|asyncBatchEmbedContent}}", _batch, GEMINI
        )
        for place in PLACES
    ),
    Route("GET", "/v1beta/batches", _list_batches, GEMINI),
    Route("GET", f"/v1beta/batches/{_BATCH}", _get_batch, GEMINI),
    Route("POST", f"/{{version:v1|v1beta}}/batches/{_BATCH}:cancel", _cancel_batch, GEMINI),
)
