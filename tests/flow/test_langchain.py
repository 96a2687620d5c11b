"""LangChain's chat models, given a base URL and a virtual key and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from support import anthropic_sdk, gemini_sdk
from support.gateways import MODEL, TestGateway, running_gateway
from support.python_sdk import used

QUESTION = "Tell me about toll roads. Ünïcode, please: 道路."
HEADERS = {"x-simulate": "tokens=12"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A chat model, what a gateway must sell for it, and what it says of an empty account."""

    model: Callable[[TestGateway], BaseChatModel]
    options: dict[str, Any] = field(default_factory=dict)
    refusal: type[Exception]


def chat_openai(tk: TestGateway) -> BaseChatModel:
    return ChatOpenAI(
        model=MODEL, base_url=tk.base_url, api_key=SecretStr(tk.key), default_headers=HEADERS
    )


def chat_openai_responses(tk: TestGateway) -> BaseChatModel:
    return ChatOpenAI(
        model=MODEL,
        base_url=tk.base_url,
        api_key=SecretStr(tk.key),
        default_headers=HEADERS,
        use_responses_api=True,
    )


def chat_anthropic(tk: TestGateway) -> BaseChatModel:
    return ChatAnthropic(
        model=anthropic_sdk.MODEL,
        base_url=tk.origin,
        api_key=SecretStr(tk.key),
        default_headers=HEADERS,
    )


def chat_google(tk: TestGateway) -> BaseChatModel:
    return ChatGoogleGenerativeAI(
        model=gemini_sdk.MODEL,
        base_url=tk.origin,
        api_key=SecretStr(tk.key),
        additional_headers=HEADERS,
    )


FRAMEWORKS = {
    "openai": Framework(model=chat_openai, refusal=openai.APIStatusError),
    "openai responses": Framework(model=chat_openai_responses, refusal=openai.APIStatusError),
    "anthropic": Framework(
        model=chat_anthropic, options=anthropic_sdk.OPTIONS, refusal=anthropic.APIStatusError
    ),
    "google": Framework(
        model=chat_google, options=gemini_sdk.OPTIONS, refusal=ChatGoogleGenerativeAIError
    ),
}

# No framework sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS),
    # The business of Google's SDK, which is underneath.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]


@tool
def get_toll(road: str, axles: int) -> str:
    """What a vehicle pays on a road."""
    return f"{road}: {axles} credits"


async def test_an_answer_is_the_providers_and_charged(
    tmp_path: Path, store_url: str, framework: Framework
) -> None:
    async with running_gateway(tmp_path, store_url, **framework.options) as tk:
        answer = await framework.model(tk).ainvoke(QUESTION)

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == answer.text
        assert 12 == answer.usage_metadata["output_tokens"]
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert {"input_uncached": entry.prompt_tokens, "output_text": 12} == used(event)


async def test_a_stream_is_the_providers_and_charged(
    tmp_path: Path, store_url: str, framework: Framework
) -> None:
    async with running_gateway(tmp_path, store_url, **framework.options) as tk:
        texts = [chunk.text async for chunk in framework.model(tk).astream(QUESTION)]

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == "".join(texts)
        assert len(texts) > 6
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert {"input_uncached": entry.prompt_tokens, "output_text": 12} == used(event)
        assert (True, "reported") == (event["stream"], event["provenance"])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_is_called_and_charged(
    tmp_path: Path, store_url: str, framework: Framework, *, streamed: bool
) -> None:
    async with running_gateway(tmp_path, store_url, **framework.options) as tk:
        model = framework.model(tk).bind_tools([get_toll], tool_choice="any")
        if streamed:
            chunks = [chunk async for chunk in model.astream(QUESTION)]
            answer = sum(chunks[1:], chunks[0])
        else:
            answer = await model.ainvoke(QUESTION)

        [call] = answer.tool_calls
        assert ("get_toll", {"road": "Paris", "axles": 3}) == (call["name"], call["args"])
        await tk.assert_books_balance()
        [entry] = tk.provider.journal.entries
        [event] = await tk.events()
        assert entry.tokens == event["usage"]["output_text"] > 0


async def test_an_empty_account_is_told_so_once(
    tmp_path: Path, store_url: str, framework: Framework
) -> None:
    """With 402, for Google's model tries a native 429 five times again."""
    options = framework.options | {"credit": 0, "more": "refusals: {quota_status: 402}"}
    async with running_gateway(tmp_path, store_url, **options) as tk:
        with pytest.raises(framework.refusal, match="credit"):
            await framework.model(tk).ainvoke(QUESTION)

        assert not tk.provider.journal.entries
    assert ["insufficient_quota"] == [line["reason"] for line in tk.lines.calls()]
