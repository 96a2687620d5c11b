"""Files and batches, as OpenAI answers them. https://platform.openai.com/docs/api-reference/batch
(looked at 2026-11): a batch is `validating` when it is made; each of its requests is answered as
if it had come alone, when the batch is done.
"""

from collections.abc import Mapping

import orjson
from aiohttp import web

from gateway.dialects.forms import read_form
from gateway.simulator.chat import ChatAnswer, CountTokens, RefusedRequest, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.sending import send_kept
from gateway.simulator.shelf import KeptJob, Shelf, now_s
from gateway.simulator.wire import document as chat_document
from gateway.simulator.wire import usage as chat_usage

CHAT = "/v1/chat/completions"


async def _upload(exchange: Exchange) -> web.StreamResponse:
    form = read_form(exchange.entry.body, exchange.request.headers["Content-Type"])
    uploaded = form.one("file")
    if uploaded is None:
        raise RefusedRequest("'file' is a required property", param="file")
    file = exchange.shelf.put_file(
        form.value(uploaded), purpose=form.text("purpose") or "", filename=uploaded.filename
    )
    await exchange.ready()
    return await send_kept(exchange, file.document)


async def _file(exchange: Exchange) -> web.StreamResponse:
    file = exchange.shelf.file(exchange.request.match_info["file_id"])
    return await send_kept(exchange, file.document)


async def _content(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    file = exchange.shelf.file(exchange.request.match_info["file_id"])
    return await send_kept(exchange, file.content, content_type="application/octet-stream")


async def _list_files(exchange: Exchange) -> web.StreamResponse:
    files = [file.document for file in exchange.shelf.files.values()]
    return await send_kept(exchange, {"object": "list", "data": files, "has_more": False})


async def _delete_file(exchange: Exchange) -> web.StreamResponse:
    file_id = exchange.request.match_info["file_id"]
    exchange.shelf.file(file_id)
    del exchange.shelf.files[file_id]
    return await send_kept(exchange, {"id": file_id, "object": "file", "deleted": True})


async def _create(exchange: Exchange) -> web.StreamResponse:
    asked, shelf = exchange.document(), exchange.shelf
    await exchange.ready()
    file = shelf.file(str(asked.get("input_file_id")))
    document: dict[str, object] = {
        "id": shelf.new_id("batch_"),
        "object": "batch",
        "endpoint": asked.get("endpoint"),
        "errors": None,
        "input_file_id": asked.get("input_file_id"),
        "completion_window": asked.get("completion_window"),
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now_s(),
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": asked.get("metadata"),
    }

    def finish(job: KeptJob) -> None:
        _finish(job, file.content, shelf, exchange.count)

    shelf.begin(document, script=exchange.script, finish=finish)
    return await send_kept(exchange, document)


async def _retrieve(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    return await send_kept(exchange, _job(exchange).look())


async def _list(exchange: Exchange) -> web.StreamResponse:
    batches = [
        job.look() for job in exchange.shelf.jobs.values() if job.document.get("object") == "batch"
    ]
    return await send_kept(exchange, {"object": "list", "data": batches, "has_more": False})


async def _cancel(exchange: Exchange) -> web.StreamResponse:
    """What was served by then is what the job's script says, and the rest never is."""
    job = _job(exchange)
    if not job.over:
        job.document["status"] = "cancelling"
        job.due_s = 0
    return await send_kept(exchange, job.document)


def _job(exchange: Exchange) -> KeptJob:
    return exchange.shelf.job(exchange.request.match_info["batch_id"])


def _finish(job: KeptJob, content: bytes, shelf: Shelf, count: CountTokens) -> None:
    script, batch = job.script, job.document
    lines = [orjson.loads(line) for line in content.splitlines() if line.strip()]
    if script.end == "failed":
        batch |= {"status": "failed", "failed_at": now_s()}
        return
    cancelled = batch["status"] == "cancelling"
    cut = cancelled or script.end == "expired"
    served = lines[: script.served] if cut else lines
    results = [_answered(line, job, count) for line in served]
    if results:
        output = shelf.put_file(
            b"".join(orjson.dumps(result) + b"\n" for result, _ in results),
            purpose="batch_output",
            filename="output.jsonl",
        )
        batch["output_file_id"] = output.document["id"]
    status = "cancelled" if cancelled else script.end or "completed"
    batch |= {
        "status": status,
        f"{status}_at": now_s(),
        "request_counts": {
            "total": len(lines),
            "completed": len(results),
            "failed": len(lines) - len(results),
        },
    }
    if not script.no_sum:
        batch["usage"] = _usage([usage for _, usage in results])


def _answered(
    line: Mapping[str, object], job: KeptJob, count: CountTokens
) -> tuple[dict[str, object], Mapping[str, object]]:
    """A line of the results, and the usage that stands in it."""
    body = line["body"]
    if line.get("url") != CHAT or not isinstance(body, dict):
        raise RefusedRequest("The simulator serves chat completions in batches only.")
    answer: ChatAnswer = answer_chat(body, script=job.script, count=count, created_s=now_s())
    result = {
        "id": f"batch_req_{line['custom_id']}",
        "custom_id": line["custom_id"],
        "response": {
            "status_code": 200,
            "request_id": f"req_{line['custom_id']}",
            "body": orjson.loads(chat_document(answer)),
        },
        "error": None,
    }
    return result, chat_usage(answer)


def _usage(each: list[Mapping[str, object]]) -> dict[str, object]:
    def total(name: str, details: str = "") -> int:
        found = (usage[details] if details else usage for usage in each)
        return sum(int(one[name]) for one in found if isinstance(one, Mapping))

    prompt, completion = total("prompt_tokens"), total("completion_tokens")
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": total("cached_tokens", "prompt_tokens_details")},
        "output_tokens": completion,
        "output_tokens_details": {
            "reasoning_tokens": total("reasoning_tokens", "completion_tokens_details")
        },
        "total_tokens": prompt + completion,
    }


ROUTES = (
    Route("POST", "/v1/files", _upload),
    Route("GET", "/v1/files", _list_files),
    Route("GET", "/v1/files/{file_id}", _file),
    Route("DELETE", "/v1/files/{file_id}", _delete_file),
    Route("GET", "/v1/files/{file_id}/content", _content),
    Route("POST", "/v1/batches", _create),
    Route("GET", "/v1/batches", _list),
    Route("GET", "/v1/batches/{batch_id}", _retrieve),
    Route("POST", "/v1/batches/{batch_id}/cancel", _cancel),
)
