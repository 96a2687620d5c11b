"""AWS's and Anthropic's official Python SDKs in front of a gateway to Bedrock."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anthropic
import orjson
from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session
from support.gateways import TestGateway, running_gateway

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
MESSAGES = [{"role": "user", "content": "Tell me about toll roads. Ünïcode, please: 道路."}]
# µcr per token: 3, 0.30, 3.75 and 15 US$ per million.
INPUT_UCR, READ_UCR, WRITTEN_UCR, OUTPUT_UCR = 300, 30, 375, 1500
PRICE = (
    '{input: "3", cache_read: "0.3", cache_write_5m: "3.75", output: "15", '
    "context_tokens: 100000, max_output_tokens: 32000}"
)
OPTIONS: dict[str, Any] = {"signed": True, "apis": "[bedrock]", "sells": {MODEL: PRICE}}
# Credit for the prompt and about a hundred tokens of the answer.
CUT_SHORT = {"plan": "{enforcement: rolling, slice_tokens: 16}", "credit": 0.17}


@asynccontextmanager
async def gateway_and_sdk(
    folder: Path, store_url: str, **options: Any
) -> AsyncIterator[tuple[TestGateway, anthropic.AsyncAnthropicBedrock]]:
    """A gateway and Anthropic's SDK set to it; at the end the books must balance."""
    async with running_gateway(folder, store_url, **(OPTIONS | options)) as tk:
        async with anthropic.AsyncAnthropicBedrock(
            base_url=tk.origin, api_key=tk.key, aws_region="us-east-1", max_retries=0
        ) as sdk:
            yield tk, sdk
        await tk.assert_books_balance()


def provider_sdk(
    tk: TestGateway, sdk: anthropic.AsyncAnthropicBedrock
) -> anthropic.AsyncAnthropicBedrock:
    """The same client, connections included, set to the provider itself."""
    return sdk.with_options(base_url=tk.gateway._settings.providers["simulated"].base_url)


def asked(*, simulate: str = "tokens=12", **options: Any) -> dict[str, Any]:
    """The arguments of `messages.create` or `messages.stream`; what is not said is made up."""
    plain = {"model": MODEL, "messages": MESSAGES, "max_tokens": 1000}
    return plain | options | {"extra_headers": {"x-simulate": simulate}}


@contextmanager
def botocore_client(url: str, *, simulate: str = "", **options: Any) -> Iterator[BaseClient]:
    """AWS's SDK for Python. Without credentials in its options it presents what stands in
    AWS_BEARER_TOKEN_BEDROCK."""
    client = Session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )

    def say(request: Any, **_: Any) -> None:
        request.headers["x-simulate"] = simulate

    client.meta.events.register("before-sign", say)
    try:
        yield client
    finally:
        client.close()


def invoked(client: BaseClient, *, model_id: str = MODEL, **changes: Any) -> dict[str, Any]:
    """The answer's metadata, and its body as `message`."""
    answer = client.invoke_model(modelId=model_id, body=body(**changes))
    return answer["ResponseMetadata"] | {"message": orjson.loads(answer["body"].read())}


def streamed(client: BaseClient, *, model_id: str = MODEL, **changes: Any) -> list[dict[str, Any]]:
    answer = client.invoke_model_with_response_stream(modelId=model_id, body=body(**changes))
    return [orjson.loads(part["chunk"]["bytes"]) for part in answer["body"]]


def body(**changes: Any) -> bytes:
    plain = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1000, "messages": MESSAGES}
    return orjson.dumps(plain | changes)
