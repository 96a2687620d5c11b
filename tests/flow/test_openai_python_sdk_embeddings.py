"""Embeddings and moderations through the official SDK: charged for what is read, nothing else."""

from pathlib import Path

import openai
import pytest
from support.python_sdk import gateway_and_sdk, used

EMBEDDER, JUDGE = "text-embedding-3-small", "omni-moderation-latest"
SELLS = {
    # 2 µcr a token.
    EMBEDDER: '{input: "0.02", output: "0", context_tokens: 8192, max_output_tokens: 1}',
    JUDGE: '{input: "0", output: "0", context_tokens: 32768, max_output_tokens: 1}',
}


@pytest.mark.parametrize(
    ("value", "vectors"),
    [
        ("Where does the toll road end?", 1),
        (["Where does it end?", "道路"], 2),
        ([1820, 374, 264], 1),
        ([[1820, 374], [264]], 2),
    ],
)
@pytest.mark.parametrize("encoding_format", ["float", "base64"])
async def test_embeddings_are_charged_as_reported(
    tmp_path: Path, store_url: str, value, vectors: int, encoding_format: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        answer = await sdk.embeddings.create(
            model=EMBEDDER, input=value, encoding_format=encoding_format
        )

        assert vectors == len(answer.data)
        tokens = tk.provider.journal.entries[-1].prompt_tokens
        assert tokens == answer.usage.prompt_tokens
        assert 2 * tokens == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert ({"input_uncached": tokens}, "reported") == (used(event), event["provenance"])


async def test_a_batch_larger_than_the_context_is_held_and_charged(
    tmp_path: Path, store_url: str
) -> None:
    texts = [f"Toll road number {number}, and what lies beside it. " * 20 for number in range(300)]
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        answer = await sdk.embeddings.create(model=EMBEDDER, input=texts)

        assert answer.usage.prompt_tokens > 2 * 8_192
        assert 2 * answer.usage.prompt_tokens == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert "reported" == event["provenance"]


@pytest.mark.parametrize(
    ("value", "tokens"), [("Where does the toll road end?", 7), ([[1820, 374], [264]], 3)]
)
async def test_without_a_reported_usage_our_own_count_stands(
    tmp_path: Path, store_url: str, value, tokens: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        raw = await sdk.embeddings.with_raw_response.create(
            model=EMBEDDER, input=value, extra_headers={"x-simulate": "no_usage"}
        )

        assert 200 == raw.status_code
        assert 2 * tokens == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert ({"input_uncached": tokens}, "counted") == (used(event), event["provenance"])


async def test_what_the_account_cannot_pay_for_is_refused_before_it_is_sent(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=0.000_01) as (tk, sdk):
        with pytest.raises(openai.RateLimitError, match=r"needs 0\.000026 credits") as refused:
            await sdk.embeddings.create(model=EMBEDDER, input="one two three four five six " * 2)

        assert "insufficient_quota" == refused.value.code
        assert [] == list(tk.provider.journal.entries)


async def test_a_failed_embedding_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        with pytest.raises(openai.InternalServerError):
            await sdk.embeddings.create(
                model=EMBEDDER, input="a", extra_headers={"x-simulate": "status=500"}
            )

        assert 0 == (await tk.settled()).charged_ucr


@pytest.mark.parametrize(
    "value",
    [
        "Is this a threat?",
        ["one", "two"],
        [
            {"type": "text", "text": "Is this a threat?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
    ],
)
@pytest.mark.parametrize("model", [{}, {"model": JUDGE}])
async def test_moderations_are_counted_and_free_of_charge(
    tmp_path: Path, store_url: str, value, model
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        answer = await sdk.moderations.create(input=value, **model)

        assert not answer.results[0].flagged
        assert 0 == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert (JUDGE, "counted") == (event["model"], event["provenance"])
        assert used(event)["input_uncached"] > 0
