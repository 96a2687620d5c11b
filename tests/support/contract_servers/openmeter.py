"""OpenMeter's ingestion of events: the exact content type, required attributes, duplicates by
source and id dropped silently."""

import orjson
from aiohttp import web
from support.contract_servers.base import ContractServer, json_error

BATCH = "application/cloudevents-batch+json"
REQUIRED = ("specversion", "id", "source", "type", "subject")
TOKEN = "om-token"


class OpenMeterServer(ContractServer):
    """`bad_model`: events of that model make the whole batch invalid."""

    def __init__(self, *, bad_model: str = "") -> None:
        super().__init__()
        self.bad_model = bad_model
        self.events: dict[tuple[str, str], dict] = {}

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._problem(401, "Unauthorized")
        if (request.method, request.path) != ("POST", "/api/v1/events"):
            return self._problem(404, "Not Found")
        if request.headers.get("Content-Type") != BATCH:
            return self._problem(400, f"unexpected content type {request.content_type}")
        events = orjson.loads(body)
        for event in events:
            if event.get("specversion") != "1.0" or not all(event.get(each) for each in REQUIRED):
                return self._problem(400, "an event lacks a required attribute")
            if self.bad_model and event["data"]["model"] == self.bad_model:
                return self._problem(400, "invalid event")
        for event in events:
            self.events.setdefault((event["source"], event["id"]), event)
        return web.Response(status=204)

    def _problem(self, status: int, detail: str) -> web.Response:
        return json_error(status, {"type": "about:blank", "status": status, "detail": detail})

    def total(self, name: str = "charge_microcredits") -> int:
        return sum(event["data"][name] for event in self.events.values())
