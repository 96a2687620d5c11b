"""Stripe's meter events as documented: form bodies, an identifier counted once in 24 hours, one
request at a time for a customer and meter, whole numbers, a window for timestamps, event summaries
by minute, cancellations. Time is the test's: `clock_s` can be moved."""

import asyncio
import re
import time
from urllib.parse import parse_qsl

from aiohttp import web
from support.contract_servers.base import ContractServer, json_error

KEY = "sk_test_metering"
DAY_S = 86_400
PAST_S, FUTURE_S = 35 * DAY_S, 5 * 60


class StripeServer(ContractServer):
    def __init__(self, event_names: tuple[str, ...], *, customers: str = r"cus_.+") -> None:
        super().__init__()
        self.meters = {f"mtr_{index}": name for index, name in enumerate(event_names)}
        self.customers = customers
        self.ahead_s = 0.0
        self.seen: dict[str, float] = {}
        self.counted: list[dict[str, str]] = []
        self.repeats: list[dict[str, str]] = []
        self.busy: set[tuple[str, str]] = set()
        self.collisions = 0

    @property
    def now_s(self) -> float:
        return time.time() + self.ahead_s  # noqa: TID251 - the other side has its own clock

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._error(401, "Invalid API Key provided")
        path = request.path.removeprefix("/v1/billing/")
        if request.method == "GET" and path == "meters":
            data = [{"id": key, "event_name": name} for key, name in self.meters.items()]
            return web.json_response({"object": "list", "data": data, "has_more": False})
        if request.method == "GET" and path.endswith("/event_summaries"):
            return self._summaries(path.split("/")[1], dict(request.query))
        form = dict(parse_qsl(body.decode()))
        if path == "meter_events":
            return await self._event(form)
        if path == "meter_event_adjustments":
            return self._cancel(form)
        return self._error(404, "Unrecognized request URL")

    async def _event(self, form: dict[str, str]) -> web.Response:
        customer = form["payload[stripe_customer_id]"]
        if (form["event_name"], customer) in self.busy:
            self.collisions += 1
            return self._error(429, "Too many concurrent requests for this customer and meter")
        self.busy.add((form["event_name"], customer))
        try:
            await asyncio.sleep(0.005)
            return self._count(form, customer)
        finally:
            self.busy.discard((form["event_name"], customer))

    def _count(self, form: dict[str, str], customer: str) -> web.Response:
        timestamp, identifier = int(form["timestamp"]), form["identifier"]
        if form["event_name"] not in self.meters.values():
            return self._error(400, "No active meter found for event name")
        if not re.fullmatch(self.customers, customer):
            return self._error(400, "No such customer")
        if not re.fullmatch(r"\d+", form["payload[value]"]) or len(identifier) > 100:
            return self._error(400, "Invalid payload")
        if not self.now_s - PAST_S <= timestamp <= self.now_s + FUTURE_S:
            return self._error(400, "The timestamp must be within the past 35 calendar days")
        if self.now_s - self.seen.get(identifier, -DAY_S) < DAY_S:
            self.repeats.append(form)
            return self._error(400, f"An event already exists with identifier {identifier}.")
        self.seen[identifier] = self.now_s
        self.counted.append(form)
        return web.json_response({"object": "billing.meter_event", "identifier": identifier})

    def _cancel(self, form: dict[str, str]) -> web.Response:
        identifier = form["cancel[identifier]"]
        if form["type"] != "cancel" or self.now_s - self.seen.get(identifier, -DAY_S) >= DAY_S:
            return self._error(400, "No meter event to cancel")
        self.counted = [each for each in self.counted if each["identifier"] != identifier]
        return web.json_response({"object": "billing.meter_event_adjustment", "status": "pending"})

    def _summaries(self, meter: str, query: dict[str, str]) -> web.Response:
        start, end = int(query["start_time"]), int(query["end_time"])
        if start % 60 or end % 60:
            return self._error(400, "start_time must align with minute boundaries")
        value = sum(
            int(each["payload[value]"])
            for each in self.counted
            if each["event_name"] == self.meters[meter]
            and each["payload[stripe_customer_id]"] == query["customer"]
            and start <= int(each["timestamp"]) < end
        )
        data = [{"aggregated_value": float(value), "start_time": start, "end_time": end}]
        return web.json_response({"object": "list", "data": data if value else []})

    def _error(self, status: int, message: str) -> web.Response:
        return json_error(status, {"error": {"type": "invalid_request_error", "message": message}})

    def total(self, token_type: str) -> int:
        return sum(
            int(each["payload[value]"])
            for each in self.counted
            if each["payload[token_type]"] == token_type
        )
