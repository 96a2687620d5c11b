"""Fine-tuning jobs, as OpenAI answers them. https://platform.openai.com/docs/api-reference/fine-tuning
(looked at 2026-11): no model is made; what was trained on is as long as the file, in tokens.
"""

from aiohttp import web

from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.sending import send_kept
from gateway.simulator.shelf import KeptJob, now_s

EPOCHS = 3


async def _create(exchange: Exchange) -> web.StreamResponse:
    asked, shelf = exchange.document(), exchange.shelf
    await exchange.ready()
    file = shelf.file(str(asked.get("training_file")))
    document: dict[str, object] = {
        "id": shelf.new_id("ftjob-"),
        "object": "fine_tuning.job",
        "model": asked.get("model"),
        "created_at": now_s(),
        "finished_at": None,
        "fine_tuned_model": None,
        "organization_id": "org-simulator",
        "result_files": [],
        "status": "validating_files",
        "validation_file": asked.get("validation_file"),
        "training_file": asked.get("training_file"),
        "hyperparameters": {"n_epochs": "auto", "batch_size": "auto"},
        "trained_tokens": None,
        "seed": 1,
        "error": None,
    }

    def finish(job: KeptJob) -> None:
        _finish(job, exchange.count(file.content.decode()))

    shelf.begin(document, script=exchange.script, finish=finish)
    return await send_kept(exchange, document)


def _finish(job: KeptJob, tokens: int) -> None:
    trained = job.script.served if job.document["status"] == "cancelled" else tokens * EPOCHS
    if job.document["status"] != "cancelled":
        job.document["status"] = job.script.end or "succeeded"
    if job.document["status"] == "failed":
        trained = 0
    job.document |= {"finished_at": now_s(), "trained_tokens": trained}


async def _retrieve(exchange: Exchange) -> web.StreamResponse:
    job = exchange.shelf.job(exchange.request.match_info["job_id"])
    return await send_kept(exchange, job.look())


async def _cancel(exchange: Exchange) -> web.StreamResponse:
    job = exchange.shelf.job(exchange.request.match_info["job_id"])
    if not job.over:
        job.document["status"] = "cancelled"
        job.end()
    return await send_kept(exchange, job.document)


ROUTES = (
    Route("POST", "/v1/fine_tuning/jobs", _create),
    Route("GET", "/v1/fine_tuning/jobs/{job_id}", _retrieve),
    Route("POST", "/v1/fine_tuning/jobs/{job_id}/cancel", _cancel),
)
