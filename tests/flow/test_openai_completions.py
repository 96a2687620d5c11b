"""Completions through the official Python SDK: the format before chat, still spoken by many."""

from pathlib import Path
from typing import Any

import openai
import pytest
from support.gateways import MODEL
from support.python_sdk import CUT_SHORT, chunks_of, gateway_and_sdk, provider_sdk

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

PROMPT = "Tell me about toll roads. Ünïcode, please: 道路."


def ask(sdk: Any, *, simulate: str = "tokens=12", **options: Any) -> Any:
    """A completion, to be awaited."""
    options = {"model": MODEL, "prompt": PROMPT} | options
    return sdk.completions.create(extra_headers={"x-simulate": simulate}, **options)


def text_of(chunks: list[Any], *, choice: int = 0) -> str:
    return "".join(p.text for chunk in chunks for p in chunk.choices if p.index == choice)


async def test_a_plain_answer_is_the_providers_and_is_charged(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        completion = await ask(sdk)

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == completion.choices[0].text
        await tk.settled()
        [event] = await tk.events()
        assert ("openai_completions", "reported") == (event["dialect"], event["provenance"])
        assert (entry.prompt_tokens, 12) == (
            event["usage"]["input_uncached"],
            event["usage"]["output_text"],
        )


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream_has_the_usage_that_was_asked_for_and_no_other(
    tmp_path: Path, store_url: str, *, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        chunks = await chunks_of(await ask(sdk, stream=True, **options))

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == text_of(chunks)
        usages = [chunk.usage.completion_tokens for chunk in chunks if chunk.usage]
        assert ([12] if include_usage else []) == usages
        await tk.settled()
        assert ["reported"] == [event["provenance"] for event in await tk.events()]


async def test_several_prompts_are_answered_several_times(tmp_path: Path, store_url: str) -> None:
    prompts = ["One road.", "Another road."]
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        whole = await ask(sdk, prompt=prompts, n=2)
        chunks = await chunks_of(await ask(sdk, prompt=prompts, n=2, stream=True))

        texts = [choice.text for choice in whole.choices]
        assert 4 == len(set(texts))
        assert texts == [text_of(chunks, choice=index) for index in range(4)]
        await tk.settled()
        assert [48, 48] == [event["usage"]["output_text"] for event in await tk.events()]


async def test_candidates_that_are_not_shown_are_charged(tmp_path: Path, store_url: str) -> None:
    """Reported or not: what was not is counted, and never too low."""
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await ask(sdk, best_of=3, max_tokens=20)
        await ask(sdk, best_of=3, max_tokens=20, simulate="tokens=12,no_usage")

        await tk.settled()
        reported, counted = await tk.events()
        assert ("reported", 36) == (reported["provenance"], reported["usage"]["output_text"])
        assert ("counted", 12 + 2 * 20) == (counted["provenance"], counted["usage"]["output_text"])


async def test_token_ids_are_a_prompt(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await ask(sdk, prompt=[464, 19838, 2975], simulate="tokens=5,no_usage")

        await tk.settled()
        [event] = await tk.events()
        assert (3, 5) == (event["usage"]["input_uncached"], event["usage"]["output_text"])


async def test_a_cut_stream_looks_like_the_providers_own_cut(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        cut = await chunks_of(await ask(sdk, simulate="tokens=400", **options))
        made = cut[-1].usage.completion_tokens
        direct = provider_sdk(tk, sdk)
        expected = await chunks_of(
            await ask(direct, simulate="tokens=400", max_tokens=made, **options)
        )

        essence = {"id", "model", "object", "choices"}
        assert [chunk.model_dump(include=essence) for chunk in expected] == [
            chunk.model_dump(include=essence) for chunk in cut
        ]
        assert expected[-1].usage.completion_tokens == made
        await tk.settled()
        assert ["cut_by_quota"] == [event["end"] for event in await tk.events()]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"prompt": {}}, "prompt"),
        ({"prompt": ["a", 5]}, "prompt[]"),
        ({"n": 0}, "n"),
        ({"best_of": "many"}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
    ],
)
async def test_refusals_are_the_sdks_own_errors(
    tmp_path: Path, store_url: str, options: Any, param: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(sdk, **options)

        assert ("invalid_request", param) == (caught.value.code, caught.value.param)
        assert not tk.provider.journal.entries
