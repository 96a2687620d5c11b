"""The Python client against a real gateway; the examples of docs/reservations.md as they stand."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from support.gateways import (
    ACCOUNT,
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    SERVICE_KEY,
    TestGateway,
    running_gateway,
)

from gateway.client import Held, Metering, Refused, Rejected, Unanswered, Usage, UsageEvent

PAGE = Path(__file__).parents[2] / "docs" / "reservations.md"
EXAMPLES = re.findall(r"^```python service\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
CALL = {"account_id": ACCOUNT, "model": MODEL, "input_tokens": 10, "max_output_tokens": 100}
USED = Usage(input_uncached=10, output_text=5)
USED_UCR = 10 * INPUT_UCR + 5 * OUTPUT_UCR


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


@pytest.fixture
async def metering(gateway: TestGateway) -> AsyncIterator[Metering]:
    async with Metering(gateway.origin, SERVICE_KEY) as metering:
        yield metering


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_example_runs_as_it_stands(gateway, number):
    environ = os.environ | {"TOLLKEEPER_URL": gateway.origin, "SERVICE_KEY": SERVICE_KEY}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", EXAMPLES[number], env=environ, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    charged = sum(map(int, re.findall(r"\d+", printed.decode())))

    assert 2 == len(EXAMPLES)
    assert 0 < charged == (await gateway.assert_books_balance()).charged_ucr


async def test_a_block_settles_what_was_used_even_if_it_fails(gateway, metering):
    async def failing() -> None:
        async with metering.reservation(**CALL) as held:
            made.append(held)
            held.used(USED)
            raise RuntimeError

    made: list[Held] = []
    with pytest.raises(RuntimeError):
        await failing()
    async with metering.reservation(**CALL) as unused:
        pass

    assert USED_UCR == made[0].settled.charged_ucr
    assert not unused.open
    assert USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_it_ends_once_whatever_is_asked_for(gateway, metering):
    held = await metering.reserve(**CALL)
    first = await held.settle(USED)

    assert first is await held.settle(Usage(output_text=99))
    await held.release()
    await held.end()
    assert USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_refusals_say_what_would_fit_and_other_problems_their_code(metering):
    with pytest.raises(Refused) as refused:
        await metering.reserve(**CALL | {"input_tokens": 2_480_000, "max_output_tokens": 9_000})
    with pytest.raises(Rejected) as unpriced:
        await metering.reserve(**CALL | {"model": "gpt-unpriced"})

    assert (402, 5_000) == (refused.value.status, refused.value.affordable_max_tokens)
    assert "model_not_priced" == unpriced.value.code


async def test_keys_credit_and_events(gateway, metering):
    now = datetime.now(UTC).isoformat()
    event = UsageEvent(
        source="urn:t", event_id="1", account_id=ACCOUNT, time=now, model=MODEL, usage=USED
    )
    results = await metering.report([event, event])
    granted = await metering.grant(ACCOUNT, "bonus", 7)

    assert ["accepted", "duplicate"] == [each.result for each in results]
    assert (await metering.verify(gateway.key))["valid"]
    assert (await metering.introspect("tk_x")) == {"active": False}
    assert 7 == granted["amount"]["microcredits"]


async def test_it_asks_again_under_the_same_name_until_it_is_answered():
    names: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        names.append(request.headers["Idempotency-Key"])
        if len(names) < 3:
            return web.json_response({"code": "metering_unavailable"}, status=503)
        return web.json_response({"active": True})

    app = web.Application()
    app.router.add_post("/metering/v1/keys/introspect", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Metering(url, SERVICE_KEY) as metering:
            told = await metering.introspect("x")
    finally:
        await runner.cleanup()
    async with Metering(url, SERVICE_KEY, tries=2) as gone:
        with pytest.raises(Unanswered):
            await gone.introspect("x")

    assert ({"active": True}, 3, 1) == (told, len(names), len(set(names)))
