"""A batch end to end, by the official SDK: held when it is made, charged for what it served."""

from pathlib import Path

import openai
import pytest
from support.batches import begin, charge_ucr, held, lines, lines_of, upload, worst_case_ucr
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, account_with_key
from support.python_sdk import gateway_and_sdk

from gateway.dialects.openai_batches import OpenAIBatches

# The provider is asked for jobs only when a test wants it to be.
CREDIT_UCR = 100_000_000


async def test_a_batch_is_held_when_made_and_charged_when_it_is_reported(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        content = lines()
        batch = await begin(sdk, content)
        assert "validating" == batch.status
        assert worst_case_ucr(content) == await held(tk)

        running = await sdk.batches.retrieve(batch.id)
        assert "validating" == running.status
        assert worst_case_ucr(content) == (await tk.balance()).held_ucr

        tk.provider.shelf.finish()
        done = await sdk.batches.retrieve(batch.id)

        balance = await tk.settled()
        assert "completed" == done.status
        assert 3 * 7 == done.usage.output_tokens
        assert charge_ucr(done.usage) == balance.charged_ucr
        assert CREDIT_UCR - balance.charged_ucr == balance.available_ucr
        [event] = await tk.events()
        assert "openai_batches" == event["dialect"]
        assert ("reported", "completed", MODEL) == (
            event["provenance"],
            event["end"],
            event["model"],
        )
        assert "batch" == event["usage"]["service_tier"]
        results = await sdk.files.content(done.output_file_id)
        assert 3 == len(results.text.splitlines())


async def test_a_report_that_passes_again_changes_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, lines())
        await held(tk)
        tk.provider.shelf.finish()
        done = await sdk.batches.retrieve(batch.id)
        await tk.settled()

        await sdk.batches.retrieve(batch.id)
        await sdk.batches.list()
        await sdk.batches.cancel(batch.id)

        assert charge_ucr(done.usage) == (await tk.assert_books_balance()).charged_ucr
        assert 1 == len(await tk.events())


async def test_a_list_reports_as_well(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        for _ in range(2):
            await begin(sdk, lines())
        tk.provider.shelf.finish()

        listed = await sdk.batches.list()

        balance = await tk.settled(charged=lambda ucr: ucr > 0)
        assert sum(charge_ucr(batch.usage) for batch in listed.data) == balance.charged_ucr
        assert 2 == len(await tk.events())


async def test_a_client_that_never_comes_back_is_charged_all_the_same(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2) as (tk, sdk):
        await begin(sdk, lines(), simulate="tokens=7,job_ms=300")

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        asked = [entry for entry in tk.provider.journal.entries if "/v1/batches/" in entry.path]
        assert "Bearer" in asked[0].headers["Authorization"]
        [event] = await tk.events()
        usage = event["usage"]
        assert 21 == usage["output_text"]
        spent = usage["input_uncached"] * INPUT_UCR + 21 * OUTPUT_UCR
        assert spent == balance.charged_ucr
        [told] = await lines_of(tk, "job_ended")
        assert (spent, "completed", "reported") == (
            told["cost_ucr"],
            told["end"],
            told["provenance"],
        )


@pytest.mark.parametrize("passing", [False, True])
async def test_a_batch_that_is_not_summed_up_is_charged_by_its_results(
    tmp_path: Path, store_url: str, *, passing: bool
) -> None:
    """They are fetched when the job is asked for, or as soon as a client hears of its end."""
    poll_s = 5 if passing else 0.2
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=poll_s) as (tk, sdk):
        batch = await begin(sdk, lines(5), simulate="tokens=7,no_sum,job_ms=300")
        if passing:
            await held(tk)
            tk.provider.shelf.finish()
            done = await sdk.batches.retrieve(batch.id)
            assert done.usage is None

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        [event] = await tk.events()
        usage = event["usage"]
        assert (5 * 7, "reported") == (usage["output_text"], event["provenance"])
        assert usage["input_uncached"] * INPUT_UCR + 35 * OUTPUT_UCR == balance.charged_ucr


async def test_results_that_tell_nothing_cost_what_was_held(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2) as (tk, sdk):
        content = lines()
        await begin(sdk, content, simulate="tokens=7,no_sum,no_usage,job_ms=200")

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        assert worst_case_ucr(content) == balance.charged_ucr
        [event] = await tk.events()
        assert "held" == event["provenance"]
        [told] = await lines_of(tk, "job_ended")
        assert "warning" == told["level"]


async def test_a_cancelled_batch_is_charged_for_what_it_served(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, lines(4), simulate="tokens=7,served=1,job_ms=3600000")
        await held(tk)

        cancelling = await sdk.batches.cancel(batch.id)
        assert "cancelling" == cancelling.status
        assert 1 == (await tk.balance()).live_holds
        cancelled = await sdk.batches.retrieve(batch.id)

        balance = await tk.settled()
        assert ("cancelled", 7) == (cancelled.status, cancelled.usage.output_tokens)
        assert charge_ucr(cancelled.usage) == balance.charged_ucr
        [event] = await tk.events()
        assert "cancelled" == event["end"]


@pytest.mark.parametrize(
    "simulate",
    ["end=failed,job_ms=3600000", "end=expired,served=0,job_ms=3600000"],
)
async def test_a_batch_that_served_nothing_costs_nothing(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, lines(), simulate=simulate)
        await held(tk)
        tk.provider.shelf.finish()
        await sdk.batches.retrieve(batch.id)

        balance = await tk.settled()

        assert (0, CREDIT_UCR) == (balance.charged_ucr, balance.available_ucr)


async def test_an_expired_batch_is_charged_for_what_it_served(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        batch = await begin(sdk, lines(4), simulate="tokens=7,end=expired,served=3,job_ms=3600000")
        await held(tk)
        tk.provider.shelf.finish()
        expired = await sdk.batches.retrieve(batch.id)

        assert charge_ucr(expired.usage) == (await tk.settled()).charged_ucr


async def test_a_batch_that_is_never_reported_costs_what_was_held(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIBatches, "lifetime_s", 1)
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.3) as (tk, sdk):
        content = lines()
        await begin(sdk, content)

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        assert worst_case_ucr(content) == balance.charged_ucr
        [event] = await tk.events()
        assert ("held", "hold_expired") == (event["provenance"], event["end"])
        [told] = await lines_of(tk, "job_ended")
        assert "warning" == told["level"]


async def test_a_job_takes_no_place_among_the_calls_in_parallel(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: calls, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (tk, sdk):
        await begin(sdk, lines())
        await held(tk)
        await begin(sdk, lines())
        tk.provider.shelf.finish()
        await sdk.batches.list()
        await tk.settled(charged=lambda ucr: ucr > 0)


async def test_limits_per_minute_do_not_count_the_tokens_of_a_batch(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: tokens, ceiling: 100, per: minute}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (tk, sdk):
        batch = await begin(sdk, lines())
        await held(tk)
        tk.provider.shelf.finish()
        await sdk.batches.retrieve(batch.id)
        await tk.settled()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lines(1) + lines(1, model="gpt-4.1"), "one model"),
        (b"", "one model"),
        (lines(1) + b"not json\n", "line 2"),
        (lines(1).replace(b'"messages"', b'"other"'), "line 1: messages must be an array"),
        (lines(1).replace(b"/v1/chat/completions", b"/v1/other"), "cannot be metered in a batch"),
        (lines(1, model="fast"), "gpt-4.1-mini"),
        (lines(1).replace(b'"url"', b'"url":"/v1/chat/completions","url"'), "more than once"),
    ],
)
async def test_what_cannot_be_sized_is_refused_and_says_why(
    tmp_path: Path, store_url: str, content: bytes, why: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.BadRequestError, match=why):
            await begin(sdk, content)

        balance = await tk.settled()
        assert CREDIT_UCR == balance.available_ucr
        assert not [entry for entry in tk.provider.journal.entries if entry.path == "/v1/batches"]


async def test_a_file_nobody_saw_is_refused(tmp_path: Path, store_url: str) -> None:
    """Even where objects are everybody's: nothing says how long the batch is."""
    async with gateway_and_sdk(tmp_path, store_url, stored_objects="shared") as (tk, sdk):
        file = tk.provider.shelf.put_file(lines(), purpose="batch", filename="elsewhere.jsonl")
        with pytest.raises(openai.BadRequestError, match="Upload it through this gateway"):
            await sdk.batches.create(
                input_file_id=str(file.document["id"]),
                endpoint="/v1/chat/completions",
                completion_window="24h",
            )


async def test_a_file_of_another_account_is_not_known(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        file_id = await upload(sdk, lines())
        key = await account_with_key(tk.session, granted_ucr=CREDIT_UCR, account="other")
        with pytest.raises(openai.NotFoundError, match="no stored object"):
            await sdk.with_options(api_key=key).batches.create(
                input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"
            )


async def test_a_batch_that_credit_does_not_cover_is_refused(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, credit=0.01) as (tk, sdk):
        with pytest.raises(openai.RateLimitError) as refused:
            await begin(sdk, lines())

        assert "insufficient_quota" == refused.value.code
        assert 0 == (await tk.settled()).charged_ucr


async def test_a_provider_that_refuses_a_batch_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.InternalServerError):
            await begin(sdk, lines(), simulate="status=500")

        assert CREDIT_UCR == (await tk.settled()).available_ucr


async def test_an_answer_cut_off_costs_what_was_held(tmp_path: Path, store_url: str) -> None:
    """A batch was made, and nobody knows which: it cannot be asked for."""
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        content = lines()
        with pytest.raises(openai.APIConnectionError):
            await begin(sdk, content, simulate="fail=reset_after:1")

        assert worst_case_ucr(content) == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert ("held", "upstream_failed") == (event["provenance"], event["end"])


async def test_a_client_that_leaves_before_the_answer_is_waited_for(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.APITimeoutError):
            await begin(sdk.with_options(timeout=0.5), lines(), simulate="first_ms=1500,job_ms=0")
        content = lines()
        assert worst_case_ucr(content) == await held(tk)

        [batch] = (await sdk.batches.list()).data
        assert charge_ucr(batch.usage) == (await tk.settled()).charged_ucr


async def test_a_price_of_long_prompts_is_that_of_long_requests_only(
    tmp_path: Path, store_url: str
) -> None:
    """Many short prompts are no long one: results are priced one by one where it matters."""
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2) as (tk, sdk):
        content = lines(4, model="gpt-tiered")
        await begin(sdk, content, simulate="tokens=7,job_ms=300")

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        [event] = await tk.events()
        asked = [entry for entry in tk.provider.journal.entries if "/content" in entry.path]
        assert 1 == len(asked)
        usage = event["usage"]
        assert usage["input_uncached"] * INPUT_UCR + 28 * OUTPUT_UCR == balance.charged_ucr
