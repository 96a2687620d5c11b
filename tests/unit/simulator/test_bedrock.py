"""AWS's own SDK against the simulated Bedrock: its signatures are let in, its parsers content."""

import asyncio

import anthropic
import orjson
import pytest
from botocore.exceptions import ClientError
from support.bedrock_sdks import MODEL, botocore_client, invoked, streamed
from support.bedrock_sdks import asked as options

from gateway.simulator.bedrock import IDENTITY
from gateway.simulator.provider import SimulatedProvider

KEYS = {
    "aws_access_key_id": IDENTITY.access_key_id,
    "aws_secret_access_key": IDENTITY.secret_access_key,
}


@pytest.fixture
async def provider():
    provider = SimulatedProvider()
    provider.url = f"http://127.0.0.1:{await provider.start()}"
    yield provider
    await provider.stop()


async def asked(provider, how, *, simulate="tokens=5", keys=KEYS, **changes):
    """What `how` makes of a client of the provider."""

    def converse():
        with botocore_client(provider.url, simulate=simulate, **keys) as client:
            return how(client, **changes)

    return await asyncio.to_thread(converse)


async def test_a_signed_call_is_answered_with_its_counts(provider):
    answer = await asked(provider, invoked, simulate="tokens=5,cached=2")

    message, headers = answer["message"], answer["HTTPHeaders"]
    [entry] = provider.journal.entries
    assert MODEL == message["model"] == entry.model
    assert entry.texts[0] == message["content"][0]["text"]
    assert 2 == message["usage"]["cache_read_input_tokens"]
    assert (str(message["usage"]["input_tokens"]), "5") == (
        headers["x-amzn-bedrock-input-token-count"],
        headers["x-amzn-bedrock-output-token-count"],
    )
    assert entry.request_id == answer["RequestId"]
    assert not entry.stream


async def test_a_stream_is_anthropics_with_counts_of_bedrocks_own(provider):
    events = await asked(provider, streamed, simulate="tokens=3,cached=2,written=4")

    [entry] = provider.journal.entries
    assert entry.stream
    assert [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ] == [event["type"] for event in events]
    told = events[0]["message"]["usage"]
    assert {
        "inputTokenCount": told["input_tokens"],
        "cacheReadInputTokenCount": 2,
        "cacheWriteInputTokenCount": 4,
        "outputTokenCount": 3,
        "invocationLatency": 40,
        "firstByteLatency": 20,
    } == events[-1]["amazon-bedrock-invocationMetrics"]


async def test_a_bedrock_api_key_is_welcome_as_well(provider):
    async with anthropic.AsyncAnthropicBedrock(
        base_url=provider.url, api_key="any", aws_region="us-east-1"
    ) as sdk:
        message = await sdk.messages.create(**options(simulate="tokens=5"))

    assert 5 == message.usage.output_tokens
    assert "Bearer any" == provider.journal.entries[0].headers["Authorization"]


async def test_nothing_is_reported_if_its_script_says_so(provider):
    events = await asked(provider, streamed, simulate="tokens=3,no_usage")

    assert b"usage" not in orjson.dumps(events)
    assert {"type": "message_stop"} == events[-1]


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (KEYS | {"aws_secret_access_key": "guessed"}, "InvalidSignatureException"),
        (KEYS | {"aws_access_key_id": "AKIDOTHER"}, "UnrecognizedClientException"),
        (KEYS | {"aws_session_token": "temporary"}, "UnrecognizedClientException"),
    ],
)
async def test_who_signs_otherwise_is_turned_away(provider, keys, code):
    with pytest.raises(ClientError) as refused:
        await asked(provider, invoked, keys=keys)

    error = refused.value.response
    assert (code, 403) == (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anthropic_version": None}, "anthropic_version: Field required"),
        ({"model": MODEL}, "#: extraneous key [model] is not permitted"),
        ({"stream": True}, "#: extraneous key [stream] is not permitted"),
        ({"max_tokens": None}, "max_tokens: Field required"),
    ],
)
async def test_what_bedrock_would_not_take_is_refused_as_there(provider, changes, message):
    with pytest.raises(ClientError) as refused:
        await asked(provider, invoked, **changes)

    assert {"Code": "ValidationException", "Message": message} == refused.value.response["Error"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_a_scripted_refusal_has_the_type_of_its_status(provider, status, code):
    with pytest.raises(ClientError) as refused:
        await asked(provider, invoked, simulate=f"status={status}")

    error = refused.value.response
    assert (code, status) == (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"])
