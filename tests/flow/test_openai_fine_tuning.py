"""Fine-tuning by the official SDK: held by the length of its file, charged for what was trained."""

from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from support.batches import held
from support.python_sdk import gateway_and_sdk

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

MODEL = "gpt-trained"
# 5 US$ per million tokens: 500 µcr per token.
TRAINED_UCR = 500
CREDIT_UCR = 100_000_000


def examples(count: int = 40) -> bytes:
    said = [
        {"role": "user", "content": "Is the road free?"},
        {"role": "assistant", "content": "No"},
    ]
    return b"\n".join(orjson.dumps({"messages": said}) for _ in range(count))


async def begin(
    sdk: openai.AsyncOpenAI, content: bytes, *, simulate: str = "", **options: Any
) -> Any:
    file = await sdk.files.create(file=("train.jsonl", content), purpose="fine-tune")
    return await sdk.fine_tuning.jobs.create(
        training_file=file.id,
        model=MODEL,
        extra_headers={"x-simulate": f"job_ms=3600000,{simulate}"},
        **options,
    )


async def test_a_job_is_charged_for_the_tokens_it_trained_on(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        content = examples()
        job = await begin(sdk, content)
        # Three times through forty examples.
        assert 3 * len(content) * TRAINED_UCR == await held(tk)

        tk.provider.shelf.finish()
        done = await sdk.fine_tuning.jobs.retrieve(job.id)

        balance = await tk.settled()
        assert "succeeded" == done.status
        assert done.trained_tokens * TRAINED_UCR == balance.charged_ucr
        [event] = await tk.events()
        assert [["trained_token", done.trained_tokens]] == event["usage"]["pieces"]


@pytest.mark.parametrize(
    ("count", "options", "epochs"),
    [
        (10, {}, 10),
        (40, {"hyperparameters": {"n_epochs": 1}}, 3),
        (40, {"method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 7}}}}, 7),
    ],
)
async def test_it_holds_as_often_as_its_file_may_be_read(
    tmp_path: Path, store_url: str, count: int, options: dict[str, Any], epochs: int
) -> None:
    """Of the places where epochs are said, and of what is done unsaid, the most counts."""
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        content = examples(count)
        job = await begin(sdk, content, **options)

        assert epochs * len(content) * TRAINED_UCR == await held(tk)
        await sdk.fine_tuning.jobs.cancel(job.id)
        assert CREDIT_UCR == (await tk.settled()).available_ucr


async def test_a_cancelled_job_is_charged_for_what_it_trained_on_by_then(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        job = await begin(sdk, examples(), simulate="served=123")
        await held(tk)

        cancelled = await sdk.fine_tuning.jobs.cancel(job.id)

        assert (123, "cancelled") == (cancelled.trained_tokens, cancelled.status)
        assert 123 * TRAINED_UCR == (await tk.settled()).charged_ucr


async def test_a_failed_job_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, job_poll_s=0.3) as (tk, sdk):
        await begin(sdk, examples(), simulate="end=failed")
        await held(tk)
        tk.provider.shelf.finish()

        assert CREDIT_UCR == (await tk.settled()).available_ucr


async def test_what_cannot_be_sized_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        unseen = tk.provider.shelf.put_file(examples(), purpose="fine-tune", filename="x.jsonl")
        with pytest.raises(openai.NotFoundError, match="no stored object"):
            await sdk.fine_tuning.jobs.create(training_file=str(unseen.document["id"]), model=MODEL)
        with pytest.raises(openai.BadRequestError, match="nothing else can be metered"):
            await begin(sdk, examples(), method={"type": "reinforcement"})
        file = await sdk.files.create(file=("t.jsonl", examples()), purpose="fine-tune")
        with pytest.raises(openai.PermissionDeniedError, match="has no price"):
            await sdk.fine_tuning.jobs.create(training_file=file.id, model="gpt-4.1-mini")
