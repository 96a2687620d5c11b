"""Responses in the background, by the official SDK: held while they run, charged when they tell."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from support.batches import held, lines_of
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, TestGateway
from support.python_sdk import gateway_and_sdk

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

INPUT = "Tell me about toll roads."
CREDIT_UCR = 100_000_000


async def begin(sdk: openai.AsyncOpenAI, *, simulate: str = "tokens=12", **options: Any) -> Any:
    options = {"model": MODEL, "input": INPUT, "max_output_tokens": 100} | options
    return await sdk.responses.create(
        background=True, extra_headers={"x-simulate": f"job_ms=3600000,{simulate}"}, **options
    )


def charge_ucr(usage: Any) -> int:
    return usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR


async def _rest(stream: Any) -> list[Any]:
    return [event async for event in stream]


async def settled_event(tk: TestGateway) -> dict[str, Any]:
    """The usage event of the only job, which ends about now."""
    await tk.settled(charged=lambda ucr: ucr > 0)
    [event] = await tk.events()
    return event


async def test_it_is_held_while_it_runs_and_charged_when_it_is_retrieved(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        begun = await begin(sdk)
        assert ("queued", None) == (begun.status, begun.usage)
        held_ucr = await held(tk)
        assert held_ucr >= 100 * OUTPUT_UCR
        assert "queued" == (await sdk.responses.retrieve(begun.id)).status
        assert held_ucr == (await tk.balance()).held_ucr

        tk.provider.shelf.finish()
        done = await sdk.responses.retrieve(begun.id)

        event = await settled_event(tk)
        assert charge_ucr(done.usage) == (await tk.balance()).charged_ucr
        assert ("completed", 12) == (done.status, done.usage.output_tokens)
        assert ("openai_responses", "reported", "completed") == (
            event["dialect"],
            event["provenance"],
            event["end"],
        )


async def test_a_client_polls_until_it_is_done_and_pays_once(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2) as (tk, sdk):
        response = await sdk.responses.create(
            model=MODEL,
            input=INPUT,
            background=True,
            extra_headers={"x-simulate": "tokens=30,reasoning=10,job_ms=700"},
        )
        while response.status in ("queued", "in_progress"):
            await asyncio.sleep(0.1)
            response = await sdk.responses.retrieve(response.id)

        await settled_event(tk)
        await asyncio.sleep(0.5)
        assert charge_ucr(response.usage) == (await tk.assert_books_balance()).charged_ucr


async def test_nobody_asks_and_it_is_charged_all_the_same(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2) as (tk, sdk):
        await begin(sdk, simulate="job_ms=300,tokens=12")

        event = await settled_event(tk)

        assert 12 == event["usage"]["output_text"]


async def test_a_stream_to_its_end_is_charged_like_any_other(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        events = [event async for event in await begin(sdk, stream=True)]

        usage = events[-1].response.usage
        assert charge_ucr(usage) == (await tk.settled(charged=lambda ucr: ucr > 0)).charged_ucr
        assert not [line for line in tk.lines.calls() if line["end"] == "begun"]


async def test_a_stream_that_breaks_off_is_charged_when_its_response_tells(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = aiter(await begin(sdk, simulate="tokens=50,fail=reset_after:20", stream=True))
        response_id = (await anext(stream)).response.id
        with pytest.raises(openai.APIError):
            await _rest(stream)
        await held(tk)

        tk.provider.shelf.finish()
        done = await sdk.responses.retrieve(response_id)

        assert charge_ucr(done.usage) == (await tk.settled()).charged_ucr


async def test_a_stream_of_which_nothing_came_costs_what_was_held(
    tmp_path: Path, store_url: str
) -> None:
    """It may run on, and nobody knows its name."""
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = await begin(sdk, simulate="fail=reset_after:0", stream=True)
        with pytest.raises(openai.APIError):
            await _rest(stream)

        event = await settled_event(tk)

        assert "held" == event["provenance"]


async def test_a_running_response_is_listened_to_and_charged_at_its_end(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        begun = await begin(sdk)
        await held(tk)

        events = [event async for event in await sdk.responses.retrieve(begun.id, stream=True)]

        usage = events[-1].response.usage
        assert charge_ucr(usage) == (await tk.settled()).charged_ucr


async def test_a_cancelled_response_owes_its_prompt(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        begun = await begin(sdk)
        await held(tk)

        cancelled = await sdk.responses.cancel(begun.id)

        assert ("cancelled", None) == (cancelled.status, cancelled.usage)
        event = await settled_event(tk)
        assert ("counted", "cancelled") == (event["provenance"], event["end"])
        assert 0 == event["usage"]["output_text"]
        assert 5 <= event["usage"]["input_uncached"] <= 20


async def test_a_cancelled_response_owes_what_was_relayed_of_it(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = await begin(sdk, simulate="tokens=80,delay_ms=20", stream=True)
        texts = 0
        async for event in stream:
            texts += event.type == "response.output_text.delta"
            if event.type == "response.created":
                response_id = event.response.id
            if texts == 20:
                break
        await sdk.responses.cancel(response_id)
        # The call itself is still read, for as long as a job may take to be begun.
        await stream.response.aclose()

        event = await settled_event(tk)

        assert event["usage"]["output_text"] >= 20


async def test_a_cancelled_response_owes_what_was_heard_of_it_later(
    tmp_path: Path, store_url: str
) -> None:
    """Begun unheard, listened to, and cancelled before it told what it used."""
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=60) as (tk, sdk):
        begun = await begin(sdk, simulate="tokens=200,delay_ms=20")
        await held(tk)
        listening = await sdk.responses.retrieve(
            begun.id, stream=True, extra_headers={"x-simulate": "delay_ms=20"}
        )
        texts = 0
        async for event in listening:
            texts += event.type == "response.output_text.delta"
            if texts == 30:
                break
        await sdk.responses.cancel(begun.id)
        await listening.response.aclose()

        event = await settled_event(tk)

        assert ("counted", "cancelled") == (event["provenance"], event["end"])
        assert 30 <= event["usage"]["output_text"] < 100


async def test_a_response_that_failed_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        begun = await begin(sdk, simulate="end=failed")
        await held(tk)
        tk.provider.shelf.finish()

        assert "failed" == (await sdk.responses.retrieve(begun.id)).status
        balance = await tk.settled()
        assert (0, CREDIT_UCR) == (balance.charged_ucr, balance.available_ucr)
        [told] = await lines_of(tk, "job_ended")
        assert "released" == told["end"]


async def test_its_worst_case_must_be_covered_although_it_streams(
    tmp_path: Path, store_url: str
) -> None:
    """A job goes on when its stream is cut."""
    plan = "{enforcement: rolling, slice_tokens: 16}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan, credit=0.018) as (tk, sdk):
        with pytest.raises(openai.RateLimitError):
            await begin(sdk, stream=True, max_output_tokens=1000)
        assert 0 == tk.provider.journal.total
