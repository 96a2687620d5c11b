"""Usage that was measured elsewhere: charged once, each event judged by itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import (
    ACCOUNT,
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    SERVICE_KEY,
    TestGateway,
    running_gateway,
)

ONE = "application/cloudevents+json"
MANY = "application/cloudevents-batch+json"
USED_UCR = 10 * INPUT_UCR + 5 * OUTPUT_UCR


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


def event(name: str = "1", *, hours_ago: float = 0, **more: Any) -> dict[str, Any]:
    used = {"input_uncached": 10, "output_text": 5}
    time = datetime.now(UTC) - timedelta(hours=hours_ago)
    return {
        "specversion": "1.0",
        "type": "com.tollkeeper.usage.v1",
        "source": "urn:jobs",
        "id": name,
        "subject": ACCOUNT,
        "time": time.isoformat(),
        "data": {"model": MODEL, "usage": used},
    } | more


async def report(
    gateway: TestGateway, sent: Any, content_type: str = MANY
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {SERVICE_KEY}", "Content-Type": content_type}
    url = f"{gateway.origin}/metering/v1/usage/events"
    async with gateway.http.post(url, headers=headers, data=orjson.dumps(sent)) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_an_event_is_charged_once_however_often_it_comes(gateway):
    first = await report(gateway, event(), ONE)
    again = await report(gateway, [event(), event("2"), event("2"), event(source="urn:other")])
    books = await gateway.assert_books_balance()
    events = await gateway.events()

    assert (200, "accepted", USED_UCR) == (
        first[0],
        first[1]["data"][0]["result"],
        first[1]["data"][0]["charged"]["microcredits"],
    )
    told = [each["result"] for each in again[1]["data"]]
    # Of two that came together either may be the one that is charged.
    assert ["duplicate", ["accepted", "duplicate"], "accepted"] == [
        told[0],
        sorted(told[1:3]),
        told[3],
    ]
    assert (2, 2, 0) == tuple(again[1][name] for name in ("accepted", "duplicates", "refused"))
    assert 3 * USED_UCR == books.charged_ucr
    assert [("outside", "reported")] * 3 == [
        (each["dialect"], each["provenance"]) for each in events
    ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"subject": "nobody"}, "not_found"),
        ({"subject": 7}, "invalid_request"),
        ({"specversion": "0.3"}, "invalid_request"),
        ({"type": "other"}, "invalid_request"),
        ({"id": ""}, "invalid_request"),
        ({"time": "yesterday"}, "invalid_request"),
        ({"time": "2026-11-26T10:00:00"}, "invalid_request"),
        ({"hours_ago": 23.1}, "event_too_old"),
        ({"hours_ago": -0.1}, "event_ahead_of_time"),
        ({"data": None}, "invalid_request"),
        ({"data": {"model": MODEL, "usage": {"output_text": -1}}}, "invalid_request"),
        ({"data": {"model": "gpt-unpriced", "usage": {}}}, "model_not_priced"),
        ({"data": {"model": MODEL, "usage": {"pieces": {"page": 1}}}}, "model_not_priced"),
        ({"data": {"model": MODEL, "usage": {}, "key_id": "0123456789ab"}}, "not_found"),
    ],
)
async def test_one_that_cannot_be_charged_is_refused_and_the_others_are_charged(
    gateway, wrong, code
):
    status, told = await report(gateway, [event("1"), event("2", **wrong), event("3")])

    assert 200 == status
    assert ["accepted", "refused", "accepted"] == [each["result"] for each in told["data"]]
    assert code == told["data"][1]["code"]
    assert 2 * USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_what_is_no_object_is_refused_as_a_whole(gateway):
    assert 400 == (await report(gateway, [event(), 7]))[0]
    assert 400 == (await report(gateway, []))[0]
    assert 400 == (await report(gateway, event()))[0]
    assert 400 == (await report(gateway, event(), "application/json"))[0]
    assert 400 == (await report(gateway, [event()] * 1001))[0]
    assert 0 == (await gateway.balance()).charged_ucr


async def test_a_thousand_come_together_and_go_into_debt_if_they_must(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url, credit=0.5) as gateway:
        status, told = await report(gateway, [event(str(n)) for n in range(1000)])
        books = await gateway.assert_books_balance()

    assert (200, 1000) == (status, told["accepted"])
    assert (1000 * USED_UCR, 1000 * USED_UCR - 500_000) == (books.charged_ucr, books.debt_ucr)


async def test_extensions_of_cloudevents_are_let_through(gateway):
    more = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    _, told = await report(gateway, event(datacontenttype="application/json", **more), ONE)

    assert "accepted" == told["data"][0]["result"]
