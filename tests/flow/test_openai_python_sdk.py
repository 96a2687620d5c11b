"""The official Python SDK, unchanged but for its base URL and key: it must notice no gateway."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import orjson
import pydantic
import pytest
from support.gateways import MODEL, running_gateway
from support.python_sdk import MESSAGES, ask, chunks_of, gateway_and_sdk, provider_sdk, text_of

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

TOOL = {
    "type": "function",
    "function": {
        "name": "get_toll",
        "parameters": {
            "type": "object",
            "properties": {"road": {"type": "string"}, "axles": {"type": "integer"}},
        },
    },
}


class GetToll(pydantic.BaseModel):
    """What the SDK makes of the tool's arguments."""

    road: str
    axles: int


async def test_a_plain_answer_is_the_providers(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        completion = await ask(sdk)

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == completion.choices[0].message.content
        assert "stop" == completion.choices[0].finish_reason
        assert (entry.prompt_tokens, 12) == (
            completion.usage.prompt_tokens,
            completion.usage.completion_tokens,
        )
        assert entry.request_id == completion._request_id


async def test_the_synchronous_client_is_served_the_same(tmp_path: Path, store_url: str) -> None:
    def converse(base_url: str, key: str) -> tuple[str, str]:
        with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0) as sdk:
            whole = ask(sdk).choices[0].message.content
            return whole, text_of(list(ask(sdk, stream=True)))

    async with running_gateway(tmp_path, store_url) as tk:
        whole, streamed = await asyncio.to_thread(converse, tk.base_url, tk.key)

        assert tk.provider.journal.entries[0].texts[0] == whole == streamed
        await tk.assert_books_balance()


@pytest.mark.parametrize("include_usage", [None, False, True])
async def test_a_stream_has_the_usage_that_was_asked_for_and_no_other(
    tmp_path: Path, store_url: str, *, include_usage: bool | None
) -> None:
    options = {} if include_usage is None else {"stream_options": {"include_usage": include_usage}}
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        chunks = await chunks_of(await ask(sdk, stream=True, **options))

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == text_of(chunks)
        usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
        assert ([12] if include_usage else []) == [usage.completion_tokens for usage in usages]
        assert (1 if include_usage else 0) == sum(not chunk.choices for chunk in chunks)


async def test_other_stream_options_reach_the_provider(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await chunks_of(await ask(sdk, stream=True, stream_options={"include_obfuscation": False}))

        [entry] = tk.provider.journal.entries
        assert {"include_obfuscation": False, "include_usage": True} == orjson.loads(entry.body)[
            "stream_options"
        ]


async def test_the_stream_helper_builds_the_whole_answer(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async with sdk.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
            kinds = {event.type async for event in stream}
            completion = await stream.get_final_completion()

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == completion.choices[0].message.content
        assert {"chunk", "content.delta", "content.done"} <= kinds


async def test_the_parse_helper_reads_a_tools_arguments(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        completion = await sdk.chat.completions.parse(
            model=MODEL,
            messages=MESSAGES,
            tools=[openai.pydantic_function_tool(GetToll)],
            tool_choice="required",
        )

        [call] = completion.choices[0].message.tool_calls
        assert GetToll(road="Paris", axles=3) == call.function.parsed_arguments


async def test_tool_calls_arrive_whole_and_in_pieces(tmp_path: Path, store_url: str) -> None:
    options = {"tools": [TOOL], "tool_choice": "required"}
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        completion = await ask(sdk, **options)
        chunks = await chunks_of(await ask(sdk, stream=True, **options))

        assert "tool_calls" == completion.choices[0].finish_reason
        [whole] = completion.choices[0].message.tool_calls
        assert {"road": "Paris", "axles": 3} == orjson.loads(whole.function.arguments)
        pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or []]
        assert (whole.id, "get_toll") == (pieces[0].id, pieces[0].function.name)
        assert whole.function.arguments == "".join(piece.function.arguments for piece in pieces)
        assert "tool_calls" == chunks[-1].choices[0].finish_reason


async def test_two_choices_arrive_and_both_are_charged(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        completion = await ask(sdk, n=2)
        chunks = await chunks_of(await ask(sdk, n=2, stream=True))

        texts = [choice.message.content for choice in completion.choices]
        assert tk.provider.journal.entries[0].texts == texts
        assert [text_of(chunks, choice=0), text_of(chunks, choice=1)] == texts
        assert texts[0] != texts[1]
        await tk.settled()
        assert [24, 24] == [event["usage"]["output_text"] for event in await tk.events()]


async def test_raw_responses_show_both_request_ids_and_the_nearest_limit(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{limits: [{unit: requests, per: minute, ceiling: 5}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (tk, sdk):
        raw = await sdk.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)

        [entry] = tk.provider.journal.entries
        assert entry.request_id == raw.headers["x-request-id"] == raw.request_id
        assert entry.headers["x-tollkeeper-request-id"] == raw.headers["x-tollkeeper-request-id"]
        assert ("5", "4") == (
            raw.headers["x-ratelimit-limit-requests"],
            raw.headers["x-ratelimit-remaining-requests"],
        )
        assert "x-ratelimit-limit-tokens" not in raw.headers
        assert entry.texts[0] == raw.parse().choices[0].message.content


async def test_without_limits_of_ours_the_providers_are_shown(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        raw = await sdk.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)

        assert "9999" == raw.headers["x-ratelimit-remaining-requests"]


async def test_models_are_listed(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        assert MODEL in [model.id async for model in sdk.models.list()]


@pytest.mark.parametrize(
    ("simulate", "options"),
    [
        ("tokens=20", {}),
        ("tokens=20,cached=8,reasoning=5", {}),
        ("tokens=20,gzip", {}),
        ("tokens=20,br", {}),
        ("tokens=20", {"n": 3, "max_tokens": 9}),
        ("tokens=20", {"tools": [TOOL], "tool_choice": "required"}),
        ("tokens=20", {"stream": True}),
        ("tokens=20,split_bytes=9", {"stream": True, "n": 2}),
        ("tokens=20,comments", {"stream": True, "stream_options": {"include_usage": True}}),
        ("tokens=20,no_done,reasoning=4", {"stream": True}),
        ("tokens=20,gzip", {"stream": True, "stream_options": {"include_usage": True}}),
        ("tool", {"stream": True, "tools": [TOOL]}),
        ("status=400", {}),
        ("status=404", {}),
        ("status=429,retry_after=1", {"stream": True}),
        ("status=503", {}),
    ],
)
async def test_the_sdk_sees_the_same_directly_and_through_the_gateway(
    tmp_path: Path, store_url: str, simulate: str, options: dict[str, Any]
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, through):
        direct = provider_sdk(tk, through)
        assert await seen(direct, simulate, options) == await seen(through, simulate, options)


async def seen(sdk: openai.AsyncOpenAI, simulate: str, options: dict[str, Any]) -> Any:
    """All the SDK makes of an answer, but for times and request ids, which differ each time."""
    try:
        answer = await ask(sdk, simulate=simulate, **options)
    except openai.APIStatusError as error:
        return type(error), error.status_code, error.body, error.response.headers["content-type"]
    objects = await chunks_of(answer) if options.get("stream") else [answer]
    return [one.model_dump(exclude={"created"}) for one in objects]
