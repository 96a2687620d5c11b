"""Google's official Python SDK, unchanged but for its base URL and key: it notices no gateway."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from support.gateways import PROVIDER_CREDENTIAL, TestGateway, running_gateway
from support.gemini_sdk import (
    CONTENTS,
    CUT_SHORT,
    INPUT_UCR,
    MODEL,
    OPTIONS,
    OUTPUT_UCR,
    READ_UCR,
    ask,
    client,
    config,
    gateway_and_sdk,
    stream,
    text_of,
)
from support.python_sdk import used

pytestmark = [
    # No SDK sees what kind of store there is: one is enough.
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    # The SDK's own business.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_toll",
            parameters_json_schema={
                "type": "object",
                "properties": {"road": {"type": "string"}, "axles": {"type": "integer"}},
            },
        )
    ]
)


def cost_ucr(usage: Any, *, cached: int = 0) -> int:
    output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    fresh = usage.prompt_token_count - cached
    return fresh * INPUT_UCR + cached * READ_UCR + output * OUTPUT_UCR


async def array(tk: TestGateway, *, simulate: str, **body: Any) -> bytes:
    """The stream that a client gets that does not ask for events."""
    asked = {"contents": [{"role": "user", "parts": [{"text": CONTENTS}]}]} | body
    url = f"{tk.origin}/v1beta/models/{MODEL}:streamGenerateContent"
    headers = {"x-goog-api-key": tk.key, "x-simulate": simulate}
    async with tk.http.post(url, json=asked, headers=headers) as answer:
        assert 200 == answer.status
        assert "application/json" == answer.content_type
        return await answer.read()


@pytest.mark.parametrize(
    "simulate", ["tokens=40", "tokens=20,reasoning=30", "tokens=9,cached=7", "gzip"]
)
async def test_an_answer_is_the_providers_and_is_charged_as_reported(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await ask(sdk, simulate=simulate)

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == answer.text
        assert "STOP" == answer.candidates[0].finish_reason
        cached = answer.usage_metadata.cached_content_token_count or 0
        balance = await tk.settled()
        assert cost_ucr(answer.usage_metadata, cached=cached) == balance.charged_ucr
        [event] = await tk.events()
        assert ("reported", "gemini_generate") == (event["provenance"], event["dialect"])
        assert entry.tokens == sum(
            count for name, count in used(event).items() if name.startswith("output")
        )


@pytest.mark.parametrize(
    "simulate", ["tokens=40", "tokens=20,reasoning=30,chunk_tokens=7", "tokens=20,split_bytes=11"]
)
async def test_a_stream_arrives_as_it_was_said_and_is_charged_as_reported(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        chunks = await stream(sdk, simulate=simulate)

        assert tk.provider.journal.entries[0].texts[0] == text_of(chunks)
        balance = await tk.settled()
        assert cost_ucr(chunks[-1].usage_metadata) == balance.charged_ucr
        [event] = await tk.events()
        assert ("reported", "completed", True) == (
            event["provenance"],
            event["end"],
            event["stream"],
        )


async def test_an_array_that_grows_is_relayed_byte_by_byte_and_charged_as_reported(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, _):
        read = orjson.loads(await array(tk, simulate="tokens=40,reasoning=5,split_bytes=13"))

        said = "".join(each["candidates"][0]["content"]["parts"][0]["text"] for each in read)
        assert tk.provider.journal.entries[0].texts[0] == said
        usage = types.GenerateContentResponseUsageMetadata.model_validate(read[-1]["usageMetadata"])
        assert cost_ucr(usage) == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert "reported" == event["provenance"]


async def test_the_synchronous_client_is_served_the_same(tmp_path: Path, store_url: str) -> None:
    def converse(origin: str, key: str) -> tuple[str, str]:
        with client(origin, key) as sdk:
            asked = {"model": MODEL, "contents": CONTENTS, "config": config()}
            whole = sdk.models.generate_content(**asked).text
            return whole, text_of(list(sdk.models.generate_content_stream(**asked)))

    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        whole, streamed = await asyncio.to_thread(converse, tk.origin, tk.key)

        assert tk.provider.journal.entries[0].texts[0] == whole == streamed
        await tk.assert_books_balance()


async def test_the_provider_sees_its_own_credential_only(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        await ask(sdk)
        url = f"{tk.origin}/v1beta/models/{MODEL}:generateContent?key={tk.key}&%24alt=json"
        async with tk.http.post(url, json={"contents": [{"parts": [{"text": "Hi"}]}]}) as answer:
            assert 200 == answer.status

        for entry in tk.provider.journal.entries:
            assert PROVIDER_CREDENTIAL == entry.headers["x-goog-api-key"]
            assert tk.key not in f"{entry.headers}{entry.path}"


async def test_functions_are_called_as_the_model_asks(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await ask(sdk, simulate="tool", tools=[TOOL])
        chunks = await stream(sdk, simulate="tool", tools=[TOOL])

        [whole] = answer.function_calls
        assert ("get_toll", {"road": "Paris", "axles": 3}) == (whole.name, whole.args)
        assert [whole] == [call for chunk in chunks for call in chunk.function_calls or []]
        cost = cost_ucr(answer.usage_metadata) + cost_ucr(chunks[-1].usage_metadata)
        assert cost == (await tk.settled()).charged_ucr


async def test_the_sdk_calls_functions_by_itself_and_each_round_is_charged(
    tmp_path: Path, store_url: str
) -> None:
    async def get_toll(road: str) -> str:
        """What a road costs."""
        return f"The {road} costs 3."

    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        rounds = types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)
        await ask(sdk, simulate="tool", tools=[get_toll], automatic_function_calling=rounds)

        bodies = [orjson.loads(entry.body) for entry in tk.provider.journal.entries]
        assert [1, 3] == [len(body["contents"]) for body in bodies]
        await tk.settled()
        assert 2 == len(await tk.events())


async def test_two_candidates_arrive_and_both_are_charged(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await ask(sdk, candidate_count=2)
        chunks = await stream(sdk, candidate_count=2)

        texts = [candidate.content.parts[0].text for candidate in answer.candidates]
        assert tk.provider.journal.entries[0].texts == texts
        assert [24, 24] == [
            chunk.usage_metadata.candidates_token_count for chunk in (answer, chunks[-1])
        ]
        await tk.settled()
        assert [24, 24] == [event["usage"]["output_text"] for event in await tk.events()]


@pytest.mark.parametrize(
    ("searches", "pieces"), [(3, {"grounding": 1, "grounding_query": 3}), (0, {})]
)
async def test_a_grounded_prompt_is_charged_by_the_prompt_and_its_queries_are_counted(
    tmp_path: Path, store_url: str, searches: int, pieces: dict[str, int]
) -> None:
    tools = [types.Tool(google_search=types.GoogleSearch())]
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        chunks = await stream(sdk, simulate=f"tokens=12,searches={searches}", tools=tools)

        balance = await tk.settled()
        [event] = await tk.events()
        assert pieces == {
            name: count for name, count in used(event).items() if name.startswith("grounding")
        }
        # 0.035 US$ for each grounded prompt.
        fee_ucr = 3_500_000 if searches else 0
        assert cost_ucr(chunks[-1].usage_metadata) + fee_ucr == balance.charged_ucr


async def test_counting_and_listing_are_free(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        counted = await sdk.models.count_tokens(model=MODEL, contents=CONTENTS)
        names = [model.name async for model in await sdk.models.list()]
        model = await sdk.models.get(model=MODEL)

        assert 0 < counted.total_tokens
        assert f"models/{MODEL}" == model.name
        assert model.name in names
        assert 0 == (await tk.settled()).charged_ucr
        assert [] == await tk.events()


async def test_an_alias_is_another_model_in_the_path(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await sdk.models.generate_content(model="fast", contents=CONTENTS, config=config())

        [entry] = tk.provider.journal.entries
        assert "/v1/models/gpt-4.1-mini:generateContent" == entry.path
        assert "gpt-4.1-mini" == answer.model_version
        await tk.settled()
        [event] = await tk.events()
        assert ("fast", "gpt-4.1-mini") == (event["model_requested"], event["model"])


@pytest.mark.parametrize("express", [True, False])
async def test_vertex_paths_take_a_key_in_either_of_their_ways(
    tmp_path: Path, store_url: str, *, express: bool
) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        options = types.HttpOptions(base_url=tk.origin)
        as_whom: dict[str, Any] = {"api_key": tk.key}
        if not express:
            as_whom = {
                "credentials": Credentials(token=tk.key),
                "project": "p-1",
                "location": "europe-west4",
            }
        async with genai.Client(vertexai=True, http_options=options, **as_whom).aio as sdk:
            answer = await ask(sdk)
            chunks = await stream(sdk)

        place = "" if express else "/projects/p-1/locations/europe-west4"
        paths = [entry.path for entry in tk.provider.journal.entries]
        assert [
            f"/v1beta1{place}/publishers/google/models/{MODEL}:generateContent",
            f"/v1beta1{place}/publishers/google/models/{MODEL}:streamGenerateContent?alt=sse",
        ] == paths
        assert answer.text == text_of(chunks)
        balance = await tk.assert_books_balance()
        assert 2 * cost_ucr(answer.usage_metadata) == balance.charged_ucr


async def test_a_stream_that_outgrows_its_credit_ends_as_the_sdk_expects(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        chunks = await stream(sdk, simulate="tokens=400,chunk_tokens=4")

        last = chunks[-1]
        assert "MAX_TOKENS" == last.candidates[0].finish_reason
        relayed_tokens = tk.gateway._inherited.counter.open(MODEL)
        relayed_tokens.feed(text_of(chunks))
        balance = await tk.settled()
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]
        assert 40 < event["usage"]["output_text"] <= 120
        assert relayed_tokens.total() == event["usage"]["output_text"]
        assert relayed_tokens.total() == last.usage_metadata.candidates_token_count
        assert cost_ucr(last.usage_metadata) == balance.charged_ucr
        assert 0 == balance.debt_ucr


@pytest.mark.parametrize("split", ["", ",split_bytes=97"])
async def test_an_array_that_outgrows_its_credit_ends_as_any_parser_expects(
    tmp_path: Path, store_url: str, split: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, _):
        read = orjson.loads(await array(tk, simulate=f"tokens=400,chunk_tokens=4{split}"))

        assert "MAX_TOKENS" == read[-1]["candidates"][0]["finishReason"]
        usage = types.GenerateContentResponseUsageMetadata.model_validate(read[-1]["usageMetadata"])
        balance = await tk.settled()
        assert cost_ucr(usage) == balance.charged_ucr
        [event] = await tk.events()
        assert ("cut_by_quota", "counted") == (event["end"], event["provenance"])


async def test_a_client_that_leaves_owes_what_it_was_told(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, _):
        got = 0
        async with client(tk.origin, tk.key).aio as leaving:
            answer = await leaving.models.generate_content_stream(
                model=MODEL,
                contents=CONTENTS,
                config=config(simulate="tokens=4000,delay_ms=5,reasoning=9"),
            )
            async for _ in answer:
                got += 1
                if got == 20:
                    break

        balance = await tk.settled(charged=bool)
        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert "client_left" == event["end"]
        usage = event["usage"]
        # Thoughts are in no text: only the usage of the chunks that came tells of them.
        assert 9 == usage["output_reasoning"]
        assert got <= usage["output_text"] <= entry.tokens - 9 < 4000
        output = usage["output_text"] + usage["output_reasoning"]
        assert entry.prompt_tokens * INPUT_UCR + output * OUTPUT_UCR == balance.charged_ucr


async def test_a_provider_that_breaks_off_is_owed_what_it_told(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(Exception, match=r"."):
            await stream(sdk, simulate="tokens=40,fail=reset_after:10")

        balance = await tk.settled(charged=bool)
        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert ("upstream_failed", 10) == (event["end"], event["usage"]["output_text"])
        assert entry.prompt_tokens * INPUT_UCR + 10 * OUTPUT_UCR == balance.charged_ucr


@pytest.mark.parametrize("simulate", ["no_usage,tokens=40", "usage_zero,tokens=40"])
async def test_an_answer_without_usage_is_counted(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        chunks = await stream(sdk, simulate=simulate)

        await tk.settled()
        [event] = await tk.events()
        assert 40 == event["usage"]["output_text"]
        assert "counted" == event["provenance"]
        assert tk.provider.journal.entries[0].texts[0] == text_of(chunks)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_providers_own_error_passes_as_it_came(
    tmp_path: Path, store_url: str, *, streamed: bool
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(errors.ServerError) as raised:
            await (stream if streamed else ask)(sdk, simulate="status=503")

        assert (503, "UNAVAILABLE") == (raised.value.code, raised.value.status)
        assert 0 == (await tk.settled()).charged_ucr


async def refused(sdk: Any, *, streamed: bool, **options: Any) -> errors.ClientError:
    with pytest.raises(errors.ClientError) as raised:
        await (stream if streamed else ask)(sdk, **options)
    return raised.value


def detail(error: errors.ClientError, kind: str) -> dict[str, Any]:
    [found] = [
        each for each in error.details["error"]["details"] if each["@type"].endswith(f".{kind}")
    ]
    return found


@pytest.mark.parametrize("streamed", [True, False])
async def test_refusals_are_the_sdks_own_errors(
    tmp_path: Path, store_url: str, *, streamed: bool
) -> None:
    plan = "{limits: [{unit: requests, per: minute, ceiling: 1}]}"
    async with gateway_and_sdk(tmp_path, store_url, plan=plan) as (tk, sdk):
        async with client(tk.origin, "tk_wrong").aio as stranger:
            error = await refused(stranger, streamed=streamed)
            assert (401, "UNAUTHENTICATED") == (error.code, error.status)

        with pytest.raises(errors.ClientError) as forbidden:
            await sdk.models.generate_content(model="gemini-unknown", contents="Hi")
        assert (403, "PERMISSION_DENIED") == (forbidden.value.code, forbidden.value.status)
        assert "MODEL_NOT_ALLOWED" == detail(forbidden.value, "ErrorInfo")["reason"]

        await ask(sdk)
        error = await refused(sdk, streamed=streamed)
        assert (429, "RESOURCE_EXHAUSTED") == (error.code, error.status)
        assert "requests_per_minute" == detail(error, "QuotaFailure")["violations"][0]["subject"]
        assert 0 < float(detail(error, "RetryInfo")["retryDelay"].removesuffix("s")) <= 60
        assert "1" in error.response.headers["RateLimit-Policy"]


async def test_an_empty_account_is_told_what_it_can_afford(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, credit=0.001) as (tk, sdk):
        error = await refused(sdk, streamed=False, max_output_tokens=500)

        assert (429, "RESOURCE_EXHAUSTED") == (error.code, error.status)
        info = detail(error, "ErrorInfo")
        assert "INSUFFICIENT_QUOTA" == info["reason"]
        assert "0.001000" == info["metadata"]["available"]
        assert 0 <= int(info["metadata"]["affordable_max_tokens"]) < 5
        assert "false" == error.response.headers["x-should-retry"]
        assert [] == list(tk.provider.journal.entries)


async def test_a_body_that_says_a_thing_twice_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, _):
        url = f"{tk.origin}/v1beta/models/{MODEL}:generateContent"
        body = b'{"contents":[],"generationConfig":{},"generation_config":{"maxOutputTokens":9}}'
        headers = {"x-goog-api-key": tk.key, "Content-Type": "application/json"}
        async with tk.http.post(url, data=body, headers=headers) as answer:
            error = orjson.loads(await answer.read())["error"]

        assert (400, "INVALID_ARGUMENT") == (answer.status, error["status"])
        assert "generationConfig" == error["details"][1]["fieldViolations"][0]["field"]
        assert [] == list(tk.provider.journal.entries)
