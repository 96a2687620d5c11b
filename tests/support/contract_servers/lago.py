"""Lago's batch of usage events, as documented: at most 100; 422 with errors by index and none
taken; `transaction_id` once per subscription; with ClickHouse once per timestamp as well, the later
one winning."""

from decimal import Decimal

import orjson
from aiohttp import web
from support.contract_servers.base import ContractServer, json_error

REQUIRED = ("transaction_id", "external_subscription_id", "code", "timestamp")
KEY = "lago-key"


class LagoServer(ContractServer):
    def __init__(self, *, clickhouse: bool = False, unknown: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.clickhouse = clickhouse
        self.unknown = unknown
        self.events: dict[tuple[str, ...], dict] = {}

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return json_error(401, {"status": 401, "error": "Unauthorized"})
        if (request.method, request.path) != ("POST", "/api/v1/events/batch"):
            return json_error(404, {"status": 404, "error": "Not Found"})
        events = orjson.loads(body)["events"]
        if not 1 <= len(events) <= 100:
            return self._invalid({"events": ["too_many_events"]})
        told = ((str(index), self._fault(event)) for index, event in enumerate(events))
        faults = {index: fault for index, fault in told if fault}
        if faults:
            return self._invalid(faults)
        for event in events:
            self.events[self._identity(event)] = event
        return web.json_response({"events": events})

    def _invalid(self, details: dict) -> web.Response:
        return json_error(
            422,
            {
                "status": 422,
                "error": "Unprocessable Entity",
                "code": "validation_errors",
                "error_details": details,
            },
        )

    def _identity(self, event: dict) -> tuple[str, ...]:
        identity = (event["external_subscription_id"], event["transaction_id"])
        return (*identity, event["timestamp"]) if self.clickhouse else identity

    def _fault(self, event: dict) -> dict[str, list[str]]:
        missing = {name: ["value_is_mandatory"] for name in REQUIRED if not event.get(name)}
        if missing:
            return missing
        if event["external_subscription_id"] in self.unknown:
            return {"external_subscription_id": ["subscription_not_found"]}
        if not self.clickhouse and self._identity(event) in self.events:
            return {"transaction_id": ["value_already_exist"]}
        return {}

    def total(self, code: str) -> int:
        return sum(
            int(Decimal(event["properties"]["value"]))
            for event in self.events.values()
            if event["code"] == code
        )
