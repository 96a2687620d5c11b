"""Films and batches by Google's official SDK: held when they are begun, charged when they are
reported."""

from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from support.batches import held
from support.gateways import TestGateway, account_with_key
from support.gemini_sdk import (
    EMBED_UCR,
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    SELLS,
    client,
    gateway_and_sdk,
)
from support.python_sdk import used

pytestmark = [
    # No SDK sees what kind of store there is: one is enough.
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    # The SDK's own business.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:.*is experimental"),
]
VEO = "veo-3.1-generate-preview"
SECOND_UCR = 40_000_000
# Half the price of what is asked for now.
HALF = "{batch: 50}"
JOBS: dict[str, Any] = {
    "sells": SELLS
    | {
        MODEL: SELLS[MODEL][:-1] + f", tier_percent: {HALF}}}",
        VEO: '{pieces: {video_second.720p: "0.4", video_second.1080p: "0.4"}}',
    },
    "credit": 1_000,
}
BEGUN = "tokens=7,job_ms=3600000"


async def film(tk: TestGateway, *, simulate: str = BEGUN, **parameters: Any) -> Any:
    """Begin one as the API is called; for this the SDK has a method for Vertex AI only."""
    async with tk.http.post(
        f"{tk.origin}/v1beta/models/{VEO}:predictLongRunning",
        json={"instances": [{"prompt": "A toll road"}], "parameters": parameters},
        headers={"x-goog-api-key": tk.key, "x-simulate": simulate},
    ) as answer:
        assert 200 == answer.status
        return types.GenerateVideosOperation(name=(await answer.json())["name"])


async def test_a_film_is_held_when_it_is_begun_and_charged_when_it_is_done(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        operation = await film(tk, sampleCount=2, durationSeconds=6)
        assert 12 * SECOND_UCR == await held(tk)
        running = await sdk.operations.get(operation)
        assert not running.done
        assert 12 * SECOND_UCR == (await tk.balance()).held_ucr

        tk.provider.shelf.finish()
        done = await sdk.operations.get(operation)

        assert 2 == len(done.response.generated_videos)
        balance = await tk.settled()
        [event] = await tk.events()
        assert 12 * SECOND_UCR == balance.charged_ucr
        assert ("reported", "completed", "gemini_videos") == (
            event["provenance"],
            event["end"],
            event["dialect"],
        )
        assert {"video_second.720p": 12} == used(event)


async def test_a_film_of_vertex_ai(tmp_path: Path, store_url: str) -> None:
    headers = types.HttpOptions(headers={"x-simulate": BEGUN + ",end=filtered,served=1"})
    options = types.GenerateVideosConfig(
        http_options=headers, number_of_videos=2, duration_seconds=4, resolution="1080p"
    )
    source = types.GenerateVideosSource(prompt="A toll road")
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, _):
        async with genai.Client(
            vertexai=True,
            credentials=Credentials(token=tk.key),
            project="p-1",
            location="europe-west4",
            http_options=types.HttpOptions(base_url=tk.origin),
        ).aio as sdk:
            operation = await sdk.models.generate_videos(model=VEO, source=source, config=options)
            assert 8 * SECOND_UCR == await held(tk)
            tk.provider.shelf.finish()
            done = await sdk.operations.get(operation)

        assert (1, 1) == (
            len(done.response.generated_videos),
            done.response.rai_media_filtered_count,
        )
        assert 4 * SECOND_UCR == (await tk.settled()).charged_ucr


@pytest.mark.parametrize(
    ("end", "charged_ucr"),
    [("filtered,served=1", 4 * SECOND_UCR), ("filtered", 0), ("failed", 0)],
)
async def test_films_that_are_not_delivered_are_not_charged(
    tmp_path: Path, store_url: str, end: str, charged_ucr: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2, **JOBS) as (tk, _):
        await film(tk, simulate=f"job_ms=500,end={end}", sampleCount=3, durationSeconds=4)
        assert 12 * SECOND_UCR == await held(tk)

        # Nobody asks for it but the gateway.
        balance = await tk.settled()

        assert charged_ucr == balance.charged_ucr


def asking(*, tokens: int = 50, words: str = "Toll roads?") -> Any:
    return types.InlinedRequest(
        contents=words, config=types.GenerateContentConfig(max_output_tokens=tokens)
    )


def batched(simulate: str = BEGUN) -> types.CreateBatchJobConfig:
    headers = types.HttpOptions(headers={"x-simulate": simulate})
    return types.CreateBatchJobConfig(http_options=headers, display_name="nightly")


def usage_of(job: Any) -> list[Any]:
    return [each.response.usage_metadata for each in job.dest.inlined_responses]


async def test_a_batch_is_charged_for_each_of_its_answers_at_its_tier(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        requests = [asking(), asking(tokens=70), asking(words="Bridges, too?")]
        batch = await sdk.batches.create(model=MODEL, src=requests, config=batched())
        assert "JOB_STATE_PENDING" == batch.state
        worst_ucr = await held(tk)
        assert 170 * OUTPUT_UCR // 2 < worst_ucr
        running = await sdk.batches.get(name=batch.name)
        assert "JOB_STATE_PENDING" == running.state
        assert worst_ucr == (await tk.balance()).held_ucr

        tk.provider.shelf.finish()
        done = await sdk.batches.get(name=batch.name)

        assert "JOB_STATE_SUCCEEDED" == done.state
        balance = await tk.settled()
        prompts = sum(each.prompt_token_count for each in usage_of(done))
        assert 3 * 7 == sum(each.candidates_token_count for each in usage_of(done))
        # Half of each, rounded up once for all.
        spent_ucr = -(-(prompts * INPUT_UCR + 3 * 7 * OUTPUT_UCR) // 2)
        assert spent_ucr == balance.charged_ucr <= worst_ucr
        [event] = await tk.events()
        assert ("reported", "gemini_batches", "batch") == (
            event["provenance"],
            event["dialect"],
            event["usage"]["service_tier"],
        )

        await sdk.batches.get(name=batch.name)
        assert spent_ucr == (await tk.settled()).charged_ucr


async def test_a_long_batch_is_read_and_charged_like_any_other(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        requests = [asking(words="toll " * 50)] * 1_500
        await sdk.batches.create(model=MODEL, src=requests, config=batched())
        held_ucr = await held(tk)

        assert 1_500 * 50 * OUTPUT_UCR // 2 < held_ucr
        tk.provider.shelf.finish()
        [listed] = [each async for each in await sdk.batches.list()]
        assert 1_500 == len(listed.dest.inlined_responses)
        await tk.settled()
        [event] = await tk.events()
        assert 1_500 * 7 == event["usage"]["output_text"]


async def test_a_batch_that_is_listed_is_reported_as_well(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        await sdk.batches.create(model=MODEL, src=[asking()], config=batched())
        await held(tk)
        tk.provider.shelf.finish()

        [listed] = [each async for each in await sdk.batches.list()]

        assert "JOB_STATE_SUCCEEDED" == listed.state
        assert 0 < (await tk.settled()).charged_ucr


async def test_a_client_that_never_comes_back_is_charged_all_the_same(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.2, **JOBS) as (tk, sdk):
        requests = [asking()] * 2
        await sdk.batches.create(model=MODEL, src=requests, config=batched("tokens=7,job_ms=300"))

        balance = await tk.settled(charged=lambda ucr: ucr > 0)

        [event] = await tk.events()
        assert (14, "reported") == (event["usage"]["output_text"], event["provenance"])
        prompts = event["usage"]["input_uncached"]
        assert -(-(prompts * INPUT_UCR + 14 * OUTPUT_UCR) // 2) == balance.charged_ucr


@pytest.mark.parametrize(("served", "answers"), [("", 0), (",served=1", 7)])
async def test_a_cancelled_batch_is_charged_for_what_was_served(
    tmp_path: Path, store_url: str, served: str, answers: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        batch = await sdk.batches.create(
            model=MODEL, src=[asking()] * 3, config=batched(BEGUN + served)
        )
        await held(tk)

        await sdk.batches.cancel(name=batch.name)
        cancelled = await sdk.batches.get(name=batch.name)

        assert "JOB_STATE_CANCELLED" == cancelled.state
        balance = await tk.settled()
        assert (answers > 0) == (balance.charged_ucr > 0)
        tokens = [event["usage"]["output_text"] for event in await tk.events()]
        assert answers == sum(tokens)


async def test_a_batch_of_embeddings_is_charged_for_its_texts(
    tmp_path: Path, store_url: str
) -> None:
    source = types.EmbeddingsBatchJobSource(
        inlined_requests=types.EmbedContentBatch(contents=["Toll roads", "and bridges"])
    )
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        batch = await sdk.batches.create_embeddings(model="gemini-embedding-001", src=source)
        tk.provider.shelf.finish()

        done = await sdk.batches.get(name=batch.name)

        tokens = sum(
            each.response.token_count for each in done.dest.inlined_embed_content_responses
        )
        balance = await tk.settled()
        # A card that has no price for the tier: the price of any other call.
        assert tokens * EMBED_UCR == balance.charged_ucr > 0


async def test_a_batch_in_a_file_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **JOBS) as (tk, sdk):
        with pytest.raises(errors.ClientError) as refused:
            await sdk.batches.create(model=MODEL, src="files/abc")

        assert (400, "INVALID_ARGUMENT") == (refused.value.code, refused.value.status)
        assert "put the requests into the call" in str(refused.value)
        assert not tk.provider.journal.entries
        assert 0 == (await tk.settled()).charged_ucr


async def test_another_account_hears_of_a_film_without_paying_for_it(
    tmp_path: Path, store_url: str
) -> None:
    shared = JOBS | {"stored_objects": "shared"}
    async with gateway_and_sdk(tmp_path, store_url, **shared) as (tk, sdk):
        operation = await film(tk, durationSeconds=4)
        await held(tk)
        tk.provider.shelf.finish()
        other_key = await account_with_key(tk.session, granted_ucr=SECOND_UCR, account="other")

        async with client(tk.origin, other_key).aio as other:
            assert (await other.operations.get(operation)).done

        assert 4 * SECOND_UCR == (await tk.balance()).held_ucr
        await sdk.operations.get(operation)
        assert 4 * SECOND_UCR == (await tk.settled()).charged_ucr
