"""Vercel's AI SDK, given a base URL and a virtual key and nothing else."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from support import anthropic_sdk, gemini_sdk
from support.gateways import MODEL, TestGateway, running_gateway
from support.node_sdk import AI_SDK, NodeSdk, Talk, install
from support.python_sdk import used

MODELS = {
    "openai": MODEL,
    "openai.chat": MODEL,
    "openai-compatible": MODEL,
    "anthropic": anthropic_sdk.MODEL,
    "google": gemini_sdk.MODEL,
}
OPTIONS = {"anthropic": anthropic_sdk.OPTIONS, "google": gemini_sdk.OPTIONS}
# Where each expects its API.
PATHS = {"google": "/v1beta"}

# The first test installs the SDK. No SDK sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    pytest.mark.parametrize("provider", MODELS),
]


@pytest.fixture(scope="session")
def ai_sdk(request: pytest.FixtureRequest) -> NodeSdk:
    return install(request.config.cache.mkdir("node_sdk"), AI_SDK)


def gateway_for(
    provider: str, folder: Path, store_url: str, **options: Any
) -> AbstractAsyncContextManager[TestGateway]:
    return running_gateway(folder, store_url, **(OPTIONS.get(provider, {}) | options))


def talk(tk: TestGateway, provider: str, *, max_retries: int = 0, **asked: Any) -> Talk:
    request = {"provider": provider, "model": MODELS[provider], "prompt": "Tell me of 道路."}
    return Talk(
        request=request | asked,
        base_url=tk.origin + PATHS.get(provider, "/v1"),
        api_key=tk.key,
        simulate="tokens=12",
        max_retries=max_retries,
    )


async def test_answers_and_streams_are_the_providers_and_charged(
    tmp_path: Path, store_url: str, ai_sdk: NodeSdk, provider: str
) -> None:
    async with gateway_for(provider, tmp_path, store_url) as tk:
        talks = [talk(tk, provider), talk(tk, provider, stream=True)]
        whole, streamed = [told["answer"] for told in await ai_sdk.run("talk", *talks)]

        first, second = tk.provider.journal.entries
        assert (first.texts[0], second.texts[0]) == (whole["text"], streamed["text"])
        assert "".join(streamed["pieces"]) == streamed["text"]
        assert len(streamed["pieces"]) > 6
        assert ["stop", "stop"] == [told["finishReason"] for told in (whole, streamed)]
        assert [12, 12] == [told["usage"]["outputTokens"] for told in (whole, streamed)]
        await tk.assert_books_balance()
        assert [{"input_uncached": first.prompt_tokens, "output_text": 12}] * 2 == [
            used(event) for event in await tk.events()
        ]


async def test_tools_are_called_and_charged(
    tmp_path: Path, store_url: str, ai_sdk: NodeSdk, provider: str
) -> None:
    async with gateway_for(provider, tmp_path, store_url) as tk:
        talks = [talk(tk, provider, tools=True, stream=stream) for stream in (False, True)]
        answers = [told["answer"] for told in await ai_sdk.run("talk", *talks)]

        called = [{"toolName": "get_toll", "input": {"road": "Paris", "axles": 3}}]
        assert [called, called] == [told["calls"] for told in answers]
        await tk.assert_books_balance()
        made = [entry.tokens for entry in tk.provider.journal.entries]
        assert made == [event["usage"]["output_text"] for event in await tk.events()]
        assert all(made)


async def test_an_empty_account_is_told_so(
    tmp_path: Path, store_url: str, ai_sdk: NodeSdk, provider: str
) -> None:
    async with gateway_for(provider, tmp_path, store_url, credit=0) as tk:
        talks = [talk(tk, provider, stream=stream) for stream in (False, True)]
        errors = [told["error"] for told in await ai_sdk.run("talk", *talks)]

        for error in errors:
            assert "AI_APICallError" == error["kind"]
            assert error["status"] in (402, 429)
            assert "credit" in error["message"]
        assert not tk.provider.journal.entries
    assert 2 == len(tk.lines.calls())


async def test_an_empty_account_is_not_asked_again_where_402_says_so(
    tmp_path: Path, store_url: str, ai_sdk: NodeSdk, provider: str
) -> None:
    """It tries every 429 again, whatever `x-should-retry` says: refused twice more, for free."""
    more = "refusals: {quota_status: 402}"
    async with gateway_for(provider, tmp_path, store_url, credit=0, more=more) as tk:
        [told] = await ai_sdk.run("talk", talk(tk, provider, max_retries=2))

        assert 402 == told["error"]["status"]
    assert 1 == len(tk.lines.calls())
