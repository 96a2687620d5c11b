"""The client of the Metering API in front of answers that go wrong: it tries again, or says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest
from aiohttp import web
from support.contract_servers.base import (
    BROKEN_AFTER,
    HANG_AFTER,
    HANG_BEFORE,
    RESET_AFTER,
    RESET_BEFORE,
    ContractServer,
)

from gateway.client import Metering, Refused, Rejected, Unanswered, Usage, UsageEvent
from gateway.client import metering as module

Answer = tuple[int, Any]


class Api(ContractServer):
    """Answers what `told` says for each path, and keeps what it was asked."""

    def __init__(self, told: Callable[[str, Any], Answer]) -> None:
        super().__init__()
        self._told = told

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        status, content = self._told(request.path, orjson.loads(body) if body else None)
        data = content if isinstance(content, bytes) else orjson.dumps(content)
        return web.Response(status=status, body=data)

    @property
    def names(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


@asynccontextmanager
async def asking(
    told: Callable[[str, Any], Answer], *, timeout_s: float = 0.5
) -> AsyncIterator[tuple[Api, Metering]]:
    api = Api(told)
    async with api.running(), Metering(api.url, "sk", timeout_s=timeout_s) as metering:
        yield api, metering


def active(_path: str, _body: Any) -> Answer:
    return 200, {"active": True}


@pytest.mark.parametrize(
    "fault",
    [HANG_BEFORE, HANG_AFTER, RESET_BEFORE, RESET_AFTER, BROKEN_AFTER],
    ids=lambda fault: f"{fault.kind} {fault.when}",
)
async def test_an_answer_that_was_lost_is_asked_for_under_the_same_name(fault):
    async with asking(active) as (api, metering):
        api.faults.extend([fault])
        told = await metering.introspect("x")

    assert {"active": True} == told
    assert (2, 1) == (len(api.names), len(set(api.names)))


async def test_another_request_has_another_name():
    async with asking(active) as (api, metering):
        await metering.introspect("x")
        await metering.introspect("x")

    assert 2 == len(set(api.names))


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]"])
async def test_what_is_no_json_object_is_no_answer(body):
    async with asking(lambda _path, _body: (200, body)) as (api, metering):
        with pytest.raises(Unanswered):
            await metering.introspect("x")

    assert (4, 1) == (len(api.names), len(set(api.names)))


async def test_while_the_same_request_runs_it_waits_for_its_answer():
    answers = iter([(409, {"code": "idempotency_in_flight", "status": 409}), (200, {"a": 1})])
    async with asking(lambda _path, _body: next(answers)) as (api, metering):
        told = await metering.introspect("x")

    assert {"a": 1} == told
    assert 1 == len(set(api.names))


@pytest.mark.parametrize(("status", "kind"), [(402, Refused), (429, Refused), (422, Rejected)])
async def test_a_refusal_is_told_at_once_with_its_facts(status, kind):
    facts = {"code": "c", "status": status, "detail": "why", "affordable_max_tokens": 7}
    async with asking(lambda _path, _body: (status, facts)) as (api, metering):
        with pytest.raises(kind, match="why") as refused:
            await metering.reserve(account_id="a")

    assert (status, "c", facts) == (refused.value.status, refused.value.code, refused.value.facts)
    assert 1 == len(api.names)
    if isinstance(refused.value, Refused):
        assert 7 == refused.value.affordable_max_tokens


async def test_events_go_in_batches_and_their_results_come_in_order(monkeypatch):
    monkeypatch.setattr(module, "EVENTS_MAX", 2)
    events = [
        UsageEvent(
            source="urn:x",
            event_id=f"e{number}",
            account_id="a",
            time="2026-11-26T10:00:00Z",
            model="m",
            usage=Usage(output_text=number),
        )
        for number in range(5)
    ]

    def told(_path: str, body: Any) -> Answer:
        rows = [
            {"id": each["id"], "result": "accepted", "code": None, "detail": None} for each in body
        ]
        return 200, {"data": rows}

    async with asking(told) as (api, metering):
        results = await metering.report(events)

    assert [f"e{number}" for number in range(5)] == [each.event_id for each in results]
    assert [2, 2, 1] == [len(orjson.loads(body)) for body in api.bodies]
    assert 3 == len(set(api.names))


def held(path: str, _body: Any) -> Answer:
    if path.endswith("/reservations"):
        return 201, {"id": "r1", "held": {"microcredits": 9}}
    return 200, {"charged": {"microcredits": 4}, "late": False}


@pytest.mark.parametrize(("used", "ending"), [(True, "settle"), (False, "release")])
async def test_a_block_that_is_cancelled_ends_what_it_held(used, ending):
    async with asking(held) as (api, metering):
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(None) as scope,
                metering.reservation(account_id="a", model="m") as reservation,
            ):
                if used:
                    reservation.used(Usage(output_text=3))
                scope.reschedule(0)
                await asyncio.Event().wait()

    assert [f"/reservations/r1/{ending}"] == [
        request.path.removeprefix("/metering/v1") for request in api.requests[1:]
    ]


async def test_a_settlement_whose_answer_was_lost_counts_as_settled():
    def told(path: str, body: Any) -> Answer:
        if path.endswith("/settle"):
            return 409, {"code": "reservation_ended", "status": 409, "ending": "settled"}
        return held(path, body)

    async with asking(told) as (_, metering):
        reservation = await metering.reserve(account_id="a")
        settled = await reservation.settle(Usage(output_text=1))
        again = await reservation.settle(Usage(output_text=1))

    assert settled.charged_ucr is None
    assert again is settled
