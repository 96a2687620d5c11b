"""Anthropic's and AWS's official Python SDKs, unchanged but for base URL and key, in front of a
gateway that signs what it sends to Bedrock."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import orjson
import pytest
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from botocore.exceptions import ClientError
from support.bedrock_sdks import (
    CUT_SHORT,
    INPUT_UCR,
    MODEL,
    OPTIONS,
    OUTPUT_UCR,
    PRICE,
    PROFILE,
    READ_UCR,
    WRITTEN_UCR,
    asked,
    body,
    botocore_client,
    gateway_and_sdk,
    invoked,
    provider_sdk,
    streamed,
)
from support.gateways import TestGateway, running_gateway
from support.tls_front import tls_front

# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

TOOL = {
    "name": "get_toll",
    "input_schema": {"type": "object", "properties": {"road": {"type": "string"}}},
}
INVOKE = f"/model/{MODEL}/invoke"


async def by_botocore(
    tk: TestGateway,
    folder: Path,
    how: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    simulate: str = "tokens=12",
    **changes: Any,
) -> Any:
    """What `how` makes of AWS's SDK with the virtual key as its Bedrock API key."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", tk.key)

    async with tls_front(folder, tk.gateway.port) as front:

        def converse() -> Any:
            verify = str(front.certificate)
            with botocore_client(front.url, simulate=simulate, verify=verify) as client:
                return how(client, **changes)

        return await asyncio.to_thread(converse)


@pytest.mark.parametrize("simulate", ["tokens=40", "tokens=20,reasoning=30", "tool", "gzip"])
async def test_a_message_is_what_the_provider_said(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    options = asked(simulate=simulate, tools=[TOOL])
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        direct = await provider_sdk(tk, sdk).messages.create(**options)
        message = await sdk.messages.create(**options)

        assert direct == message
        await tk.settled()
        [event] = await tk.events()
        assert ("bedrock_messages", "reported") == (event["dialect"], event["provenance"])
        usage = message.usage
        cost_ucr = usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR
        assert cost_ucr == (await tk.balance()).charged_ucr


@pytest.mark.parametrize(
    "simulate", ["tokens=40", "tokens=20,reasoning=30", "tool", "tokens=40,split_bytes=11"]
)
async def test_a_stream_adds_up_to_the_message(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    options = asked(simulate=simulate, tools=[TOOL])
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        async with provider_sdk(tk, sdk).messages.stream(**options) as stream:
            direct = await stream.get_final_message()
        async with sdk.messages.stream(**options) as stream:
            message = await stream.get_final_message()

        assert direct == message
        await tk.settled()
        [event] = await tk.events()
        assert ("reported", "completed", True) == (
            event["provenance"],
            event["end"],
            event["stream"],
        )
        usage = message.usage
        cost_ucr = usage.input_tokens * INPUT_UCR + usage.output_tokens * OUTPUT_UCR
        assert cost_ucr == (await tk.balance()).charged_ucr


async def test_awss_own_sdk_is_served_the_same(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate = "tokens=12,cached=4,written=3"
    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        whole = await by_botocore(tk, tmp_path, invoked, monkeypatch, simulate=simulate)
        events = await by_botocore(tk, tmp_path, streamed, monkeypatch, simulate=simulate)

        first, second = tk.provider.journal.entries
        said = "".join(event["delta"].get("text", "") for event in events if "delta" in event)
        assert whole["message"]["content"][0]["text"] == first.texts[0] == second.texts[0] == said
        assert first.request_id == whole["RequestId"]
        assert 12 == events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"]
        await tk.settled()
        usage = whole["message"]["usage"]
        cost_ucr = (
            usage["input_tokens"] * INPUT_UCR
            + 4 * READ_UCR
            + 3 * WRITTEN_UCR
            + usage["output_tokens"] * OUTPUT_UCR
        )
        assert 2 * cost_ucr == (await tk.assert_books_balance()).charged_ucr


async def test_the_provider_sees_a_signature_and_nothing_of_the_callers_key(
    tmp_path: Path, store_url: str
) -> None:
    """Signed with the whole request: the simulated Bedrock lets nothing else in. The caller's body
    is large enough to be digested apart from the event loop."""
    long = [{"role": "user", "content": "road " * 60_000}]
    async with gateway_and_sdk(tmp_path, store_url, credit=1000) as (tk, sdk):
        await sdk.messages.create(**asked(messages=long))

        [entry] = tk.provider.journal.entries
        signed = entry.headers["Authorization"]
        assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIASIMULATEDCALLER0/")
        assert "/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date," in signed
        assert len(entry.body) > 128 * 1024
        assert tk.key not in str(entry.headers)


async def test_an_alias_stands_for_an_inference_profile(tmp_path: Path, store_url: str) -> None:
    routes = f'  - {{match: sonnet, provider: simulated, upstream_model: "{PROFILE}"}}\n'
    options = {"routes": routes, "sells": {PROFILE: PRICE}}
    async with gateway_and_sdk(tmp_path, store_url, **options) as (tk, sdk):
        for stream in (False, True):
            answer = await sdk.messages.create(**asked(model="sonnet", stream=stream))
            if stream:
                [event async for event in answer]
        await tk.settled()

        encoded = PROFILE.replace(":", "%3A").replace("/", "%2F")
        paths = [entry.path for entry in tk.provider.journal.entries]
        assert [
            f"/model/{encoded}/invoke",
            f"/model/{encoded}/invoke-with-response-stream",
        ] == paths
        assert [("sonnet", PROFILE)] * 2 == [
            (event["model_requested"], event["model"]) for event in await tk.events()
        ]


@pytest.mark.parametrize("simulate", ["tokens=400", "tokens=400,split_bytes=11"])
async def test_a_stream_that_outgrows_its_credit_ends_cleanly_and_is_charged_as_relayed(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    """Credit for the prompt and about a hundred tokens; the model would say four hundred."""
    async with gateway_and_sdk(tmp_path, store_url, **CUT_SHORT) as (tk, sdk):
        async with sdk.messages.stream(**asked(simulate=simulate)) as stream:
            kinds = [event.type async for event in stream]
            message = await stream.get_final_message()

        assert ["content_block_stop", "message_delta", "message_stop"] == kinds[-3:]
        assert "max_tokens" == message.stop_reason
        balance = await tk.settled()
        [event] = await tk.events()
        relayed_tokens = event["usage"]["output_text"]
        assert "cut_by_quota" == event["end"]
        assert relayed_tokens == message.usage.output_tokens
        counter = tk.gateway._inherited.counter.open(MODEL)
        counter.feed(message.content[0].text)
        assert counter.total() == relayed_tokens
        assert 40 < relayed_tokens <= 113
        assert 0 == balance.debt_ucr


async def test_awss_own_sdk_reads_a_stream_that_was_cut_to_its_end(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS, **CUT_SHORT) as tk:
        events = await by_botocore(tk, tmp_path, streamed, monkeypatch, simulate="tokens=400")

        assert ["message_delta", "message_stop"] == [event["type"] for event in events[-2:]]
        assert "max_tokens" == events[-2]["delta"]["stop_reason"]
        await tk.assert_books_balance()


async def test_an_empty_account_is_told_once(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS, credit=0) as tk:
        with pytest.raises(ClientError) as refused:
            await by_botocore(tk, tmp_path, invoked, monkeypatch)
        async with AsyncAnthropicBedrock(
            base_url=tk.origin, api_key=tk.key, aws_region="us-east-1", max_retries=2
        ) as sdk:
            with pytest.raises(anthropic.BadRequestError):
                await sdk.messages.create(**asked())

        assert "ServiceQuotaExceededException" == refused.value.response["Error"]["Code"]
        async with asyncio.timeout(5):
            while len(tk.lines.calls()) < 2:
                await asyncio.sleep(0.01)
        assert ["insufficient_quota"] * 2 == [line["reason"] for line in tk.lines.calls()]
        assert 0 == tk.provider.journal.total


async def test_a_signature_of_the_callers_own_is_no_key(tmp_path: Path, store_url: str) -> None:
    """Nobody here knows the secret it was made with."""

    def converse(url: str, key: str) -> None:
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": key}
        with botocore_client(url, **keys) as client:
            invoked(client)

    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(converse, tk.origin, tk.key)

        error = refused.value.response
        assert "UnrecognizedClientException" == error["Error"]["Code"]
        assert 401 == error["ResponseMetadata"]["HTTPStatusCode"]
        assert 0 == tk.provider.journal.total


async def test_a_key_may_come_as_anthropics_clients_send_it(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        headers = {"x-api-key": tk.key, "Content-Type": "application/json"}
        async with tk.http.post(tk.origin + INVOKE, data=body(), headers=headers) as answer:
            assert 200 == answer.status
            message = orjson.loads(await answer.read())
        assert message["usage"]["output_tokens"] > 0
        [entry] = tk.provider.journal.entries
        assert tk.key not in str(entry.headers)
        await tk.assert_books_balance()


async def test_a_refusal_of_bedrocks_comes_as_it_is_and_costs_nothing(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        with pytest.raises(ClientError) as refused:
            await by_botocore(tk, tmp_path, streamed, monkeypatch, simulate="status=429")

        error = refused.value.response
        assert {"Code": "ThrottlingException", "Message": "The simulator was asked to fail."} == (
            error["Error"]
        )
        assert 0 == (await tk.assert_books_balance()).charged_ucr


@pytest.mark.parametrize("simulate", ["fail=reset_after:8", "fail=close_after:8"])
async def test_a_stream_that_breaks_off_is_charged_as_far_as_it_came(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        with pytest.raises(Exception, match=r"(?i)peer|connect|incomplete"):
            async with sdk.messages.stream(**asked(simulate=f"tokens=40,{simulate}")) as stream:
                await stream.get_final_message()
        await tk.settled()

        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert ("upstream_failed", "counted") == (event["end"], event["provenance"])
        assert entry.tokens == event["usage"]["output_text"] > 0


async def test_what_cannot_be_metered_is_refused_by_name(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converse(client: Any) -> None:
        content = [{"text": "Hello"}]
        client.converse(modelId=MODEL, messages=[{"role": "user", "content": content}])

    def titan(client: Any) -> None:
        client.invoke_model(modelId="amazon.titan-text-express-v1", body=b'{"inputText":"Hi"}')

    def hurried(client: Any) -> None:
        client.invoke_model(modelId=MODEL, body=body(), serviceTier="priority")

    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        for how, code in (
            (converse, "AccessDeniedException"),
            (titan, "ValidationException"),
            (hurried, "ValidationException"),
        ):
            with pytest.raises(ClientError) as refused:
                await by_botocore(tk, tmp_path, how, monkeypatch)
            assert code == refused.value.response["Error"]["Code"]
        assert 0 == tk.provider.journal.total
