"""Message batches by Anthropic's official SDK: held by model, charged by what each result says."""

from pathlib import Path
from typing import Any

import anthropic
import orjson
import pytest
from support.anthropic_sdk import INPUT_UCR, MESSAGES, MODEL, OPTIONS, OUTPUT_UCR, gateway_and_sdk
from support.gateways import TestGateway

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

CREDIT_UCR = 100_000_000
DEARER = "claude-opus-4-6"
# 5 and 25 US$ per million tokens, half of that in a batch; the other one has no discount here.
DEARER_UCR, DEARER_OUTPUT_UCR = 250, 1250
SELLS = OPTIONS["sells"] | {
    DEARER: '{input: "5", output: "25", context_tokens: 100000, max_output_tokens: 32000, '
    "tier_percent: {batch: 50}}"
}
LATER = "job_ms=3600000"


def request(number: int, *, model: str = MODEL, max_tokens: int = 50) -> dict[str, Any]:
    params = {"model": model, "max_tokens": max_tokens, "messages": MESSAGES}
    return {"custom_id": f"request-{number}", "params": params}


async def begin(sdk: anthropic.AsyncAnthropic, *requests: Any, simulate: str = "tokens=7") -> Any:
    return await sdk.messages.batches.create(
        requests=requests, extra_headers={"x-simulate": f"{LATER},{simulate}"}
    )


async def results_of(sdk: anthropic.AsyncAnthropic, batch_id: str) -> list[Any]:
    return [each async for each in await sdk.messages.batches.results(batch_id)]


def worst_case_ucr(*requests: dict[str, Any]) -> int:
    bodies = [orjson.dumps(each["params"]) for each in requests]
    answers = sum(each["params"]["max_tokens"] for each in requests)
    # A prompt may be written to a cache.
    return sum(map(len, bodies)) * 375 + answers * OUTPUT_UCR


def used_ucr(results: list[Any], model: str, input_ucr: int, output_ucr: int) -> int:
    messages = [each.result.message for each in results if each.result.type == "succeeded"]
    usages = [message.usage for message in messages if message.model == model]
    return sum(
        usage.input_tokens * input_ucr + usage.output_tokens * output_ucr for usage in usages
    )


async def charged(tk: TestGateway) -> int:
    return (await tk.settled(charged=lambda ucr: ucr > 0)).charged_ucr


async def test_a_batch_is_charged_by_its_results_as_they_pass(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, request(1), request(2))
        assert "in_progress" == (await sdk.messages.batches.retrieve(batch.id)).processing_status
        held = await tk.balance()
        assert (1, worst_case_ucr(request(1), request(2))) == (held.live_holds, held.held_ucr)

        tk.provider.shelf.finish()
        results = await results_of(sdk, batch.id)

        assert used_ucr(results, MODEL, INPUT_UCR, OUTPUT_UCR) == await charged(tk)
        [event] = await tk.events()
        assert ("anthropic_batches", "reported", 14) == (
            event["dialect"],
            event["provenance"],
            event["usage"]["output_text"],
        )
        assert "batch" == event["usage"]["service_tier"]


async def test_the_sdk_is_led_back_here_for_the_results(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, request(1))
        tk.provider.shelf.finish()
        done = await sdk.messages.batches.retrieve(batch.id)
        [listed] = (await sdk.messages.batches.list()).data

        assert f"{tk.origin}/v1/messages/batches/{batch.id}/results" == done.results_url
        assert done.results_url == listed.results_url
        await charged(tk)


async def test_nobody_comes_back_and_it_is_charged_all_the_same(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.3) as (tk, sdk):
        batch = await begin(sdk, request(1), request(2), simulate="tokens=9")
        tk.provider.shelf.finish()

        charged_ucr = await charged(tk)

        made, *_, asked = tk.provider.journal.entries
        assert asked.path.endswith("/results")
        assert made.headers["anthropic-version"] == asked.headers["anthropic-version"]
        results = await results_of(sdk, batch.id)
        assert used_ucr(results, MODEL, INPUT_UCR, OUTPUT_UCR) == charged_ucr


async def test_each_model_is_held_and_charged_at_its_own_price(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        asked = [request(1), request(2, model=DEARER), request(3), request(4, model=DEARER)]
        batch = await begin(sdk, *asked)
        assert 2 == (await tk.balance()).live_holds

        tk.provider.shelf.finish()
        results = await results_of(sdk, batch.id)

        cheap_ucr = used_ucr(results, MODEL, INPUT_UCR, OUTPUT_UCR)
        dear_ucr = used_ucr(results, DEARER, DEARER_UCR, DEARER_OUTPUT_UCR)
        balance = await tk.settled(charged=lambda ucr: ucr >= cheap_ucr + dear_ucr)
        assert cheap_ucr + dear_ucr == balance.charged_ucr
        assert {MODEL: cheap_ucr, DEARER: dear_ucr} == {
            event["model"]: event["charge_ucr"] for event in await tk.events()
        }


async def test_what_one_model_cannot_hold_none_does(tmp_path: Path, store_url: str) -> None:
    asked = [request(1), request(2, model=DEARER, max_tokens=30_000)]
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1) as (tk, sdk):
        with pytest.raises(anthropic.APIStatusError, match="credits"):
            await begin(sdk, *asked)

        balance = await tk.settled()
        assert 1_000_000 == balance.available_ucr
        assert 0 == tk.provider.journal.total


async def test_a_cancelled_batch_is_charged_for_what_it_served(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.3) as (tk, sdk):
        batch = await begin(sdk, request(1), request(2), request(3), simulate="tokens=7,served=1")
        await sdk.messages.batches.cancel(batch.id)

        charged_ucr = await charged(tk)

        results = await results_of(sdk, batch.id)
        assert ["succeeded", "canceled", "canceled"] == [each.result.type for each in results]
        assert used_ucr(results, MODEL, INPUT_UCR, OUTPUT_UCR) == charged_ucr


async def test_a_batch_of_which_nothing_was_served_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, request(1), simulate="end=errored")
        tk.provider.shelf.finish()
        await sdk.messages.batches.retrieve(batch.id)

        balance = await tk.settled()
        assert (0, CREDIT_UCR) == (balance.charged_ucr, balance.available_ucr)


async def test_a_batch_that_was_deleted_at_once_was_charged_by_its_results(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, request(1))
        tk.provider.shelf.finish()
        results = await results_of(sdk, batch.id)
        await sdk.messages.batches.delete(batch.id)

        assert used_ucr(results, MODEL, INPUT_UCR, OUTPUT_UCR) == await charged(tk)
        [event] = await tk.events()
        assert "reported" == event["provenance"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ([], "requests must ask from 1"),
        ([{"custom_id": "1", "params": {"model": MODEL}}], "requests.0"),
        ([request(1), request(2, model="claude-unheard-of")], "not available|no price"),
    ],
)
async def test_what_cannot_be_metered_is_refused(
    tmp_path: Path, store_url: str, asked: list[Any], why: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(anthropic.APIStatusError, match=why):
            await begin(sdk, *asked)

        assert CREDIT_UCR == (await tk.settled()).available_ucr
        assert 0 == tk.provider.journal.total
