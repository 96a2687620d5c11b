"""The Responses API through the official Python SDK: plain, streamed, with tools, and cut."""

from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from support.gateways import MODEL
from support.python_sdk import CUT_SHORT, gateway_and_sdk, provider_sdk

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

INPUT = "Tell me about toll roads. Ünïcode, please: 道路."
TOOL = {
    "type": "function",
    "name": "get_toll",
    "parameters": {"type": "object", "properties": {"road": {"type": "string"}}},
}
SEARCHING = {
    "gpt-search": '{input: "0.40", output: "1.60", context_tokens: 100000, '
    'max_output_tokens: 32768, pieces: {web_search: "0.01"}}'
}


def ask(sdk: Any, *, simulate: str = "tokens=12", **options: Any) -> Any:
    """A response, to be awaited."""
    options = {"model": MODEL, "input": INPUT} | options
    return sdk.responses.create(extra_headers={"x-simulate": simulate}, **options)


def stream_helper(sdk: Any, *, simulate: str = "tokens=12", **options: Any) -> Any:
    options = {"model": MODEL, "input": INPUT} | options
    return sdk.responses.stream(extra_headers={"x-simulate": simulate}, **options)


async def events_of(stream: Any) -> list[Any]:
    return [event async for event in stream]


def text_of(events: list[Any]) -> str:
    return "".join(e.delta for e in events if e.type == "response.output_text.delta")


async def test_a_plain_answer_is_the_providers_and_is_charged(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        response = await ask(sdk, simulate="tokens=12,reasoning=5,cached=3")

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == response.output_text
        await tk.settled()
        [event] = await tk.events()
        assert ("openai_responses", "reported") == (event["dialect"], event["provenance"])
        assert {
            "input_uncached": entry.prompt_tokens - 3,
            "input_cache_read": 3,
            "output_text": 12,
            "output_reasoning": 5,
        } == {name: count for name, count in event["usage"].items() if count}


async def test_the_stream_helper_builds_the_whole_answer(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async with stream_helper(sdk) as stream:
            events = await events_of(stream)
            response = await stream.get_final_response()

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == response.output_text == text_of(events)
        assert 12 == response.usage.output_tokens
        await tk.settled()
        [event] = await tk.events()
        assert (True, "reported", 12) == (
            event["stream"],
            event["provenance"],
            event["usage"]["output_text"],
        )


@pytest.mark.parametrize(("fault", "framing"), [("no_usage", 1), ("fail=close_after:9", 0)])
async def test_what_is_not_reported_is_counted(
    tmp_path: Path, store_url: str, fault: str, framing: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        stream = await ask(sdk, simulate=f"tokens=40,{fault}", stream=True)
        try:
            await events_of(stream)
        except openai.APIConnectionError:
            assert fault != "no_usage"

        await tk.settled()
        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert "counted" == event["provenance"]
        assert entry.tokens + framing == event["usage"]["output_text"]


async def test_function_calls_arrive_whole_and_in_pieces(tmp_path: Path, store_url: str) -> None:
    options = {"tools": [TOOL], "tool_choice": "required"}
    async with gateway_and_sdk(tmp_path, store_url) as (_, sdk):
        [whole] = (await ask(sdk, **options)).output
        async with stream_helper(sdk, **options) as stream:
            events = await events_of(stream)
            [built] = (await stream.get_final_response()).output

        assert ("function_call", {"road": "Paris"}) == (whole.type, orjson.loads(whole.arguments))
        assert (whole.name, whole.arguments) == (built.name, built.arguments)
        kind = "response.function_call_arguments.delta"
        assert whole.arguments == "".join(e.delta for e in events if e.type == kind)


@pytest.mark.parametrize("stream", [False, True])
async def test_searches_are_charged_by_the_piece(
    tmp_path: Path, store_url: str, *, stream: bool
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SEARCHING) as (tk, sdk):
        answer = await ask(
            sdk,
            simulate="tokens=12,searches=3",
            model="gpt-search",
            tools=[{"type": "web_search"}],
            stream=stream,
        )
        if stream:
            await events_of(answer)

        await tk.settled()
        [event] = await tk.events()
        assert [["web_search", 3]] == event["usage"]["pieces"]
        assert 12 == event["usage"]["output_text"]
        # A credit is a US cent: three searches are three of them.
        assert 3_000_000 < event["charge_ucr"] < 3_100_000


async def test_a_tool_without_a_price_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await ask(sdk, tools=[{"type": "web_search"}])

        assert "model_not_priced" == caught.value.code
        assert "web_search" in str(caught.value)
        assert not tk.provider.journal.entries


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"input": 5}, "input"),
        ({"background": "yes"}, "background"),
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


@pytest.mark.parametrize("stream", [False, True])
async def test_an_empty_account_causes_no_retry_storm(
    tmp_path: Path, store_url: str, *, stream: bool
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, max_retries=2, credit=0) as (tk, sdk):
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(sdk, stream=stream)

        assert "insufficient_quota" == caught.value.code
        assert not tk.provider.journal.entries
    assert 1 == len(tk.lines.calls())


async def test_a_stream_cut_by_quota_ends_like_one_cut_by_length(
    tmp_path: Path, store_url: str
) -> None:
    """Event by event what the provider sends when the same length is its `max_output_tokens`."""
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        async with stream_helper(sdk, simulate="tokens=400") as stream:
            cut = await events_of(stream)
        made = cut[-1].response.usage.output_tokens
        direct = provider_sdk(tk, sdk)
        async with stream_helper(direct, simulate="tokens=400", max_output_tokens=made) as stream:
            expected = await events_of(stream)

        assert [essence_of(event) for event in expected] == [essence_of(event) for event in cut]
        await tk.settled()
        [event] = await tk.events()
        assert ("cut_by_quota", made) == (event["end"], event["usage"]["output_text"])


def essence_of(event: Any) -> Any:
    """Without what the request itself says, without times, and without the prompt's size, which
    the simulator only guesses."""
    told = event.model_dump()
    if "response" in told:
        response = told["response"]
        names = ("id", "status", "incomplete_details", "output", "error")
        made = response["usage"] and response["usage"]["output_tokens"]
        told["response"] = [response[name] for name in names] + [made]
    return told


async def test_a_function_call_cut_by_quota_ends_cleanly(tmp_path: Path, store_url: str) -> None:
    properties = {f"road_number_{number}": {"type": "string"} for number in range(40)}
    tool = TOOL | {"parameters": {"type": "object", "properties": properties}}
    credit = {"plan": "{enforcement: rolling, slice_tokens: 16}", "credit": 0.05}
    async with gateway_and_sdk(tmp_path, store_url, **credit) as (tk, sdk):
        async with stream_helper(sdk, tools=[tool], tool_choice="required") as stream:
            events = await events_of(stream)

        assert "response.incomplete" == events[-1].type
        [item] = events[-1].response.output
        assert "incomplete" == item.status
        [entry] = tk.provider.journal.entries
        assert item.arguments
        assert entry.texts[0].startswith(item.arguments)
        await tk.settled()
        assert ["cut_by_quota"] == [event["end"] for event in await tk.events()]


@pytest.mark.parametrize(
    ("simulate", "options"),
    [
        ("tokens=20", {}),
        ("tokens=20,cached=8,reasoning=5,gzip", {}),
        ("tokens=20", {"max_output_tokens": 9}),
        ("tokens=20", {"stream": True}),
        ("tokens=20,comments,split_bytes=9", {"stream": True, "max_output_tokens": 9}),
        ("tokens=20,reasoning=4", {"stream": True, "instructions": "Be brief."}),
        ("tool", {"stream": True, "tools": [TOOL]}),
        ("status=404", {}),
        ("status=503", {"stream": True}),
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
        return type(error), error.status_code, error.body
    if not options.get("stream"):
        return answer.model_dump(exclude={"created_at"})
    response = {"response": {"created_at"}}
    return [event.model_dump(exclude=response) for event in await events_of(answer)]
