"""LangChain's chat models, given a base URL and a virtual key and nothing else."""

from collections.abc import Callable
from pathlib import Path

import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from support.gateways import MODEL, TestGateway, running_gateway
from support.python_sdk import used

MakeModel = Callable[[TestGateway], BaseChatModel]
QUESTION = "Tell me about toll roads. Ünïcode, please: 道路."
HEADERS = {"x-simulate": "tokens=12"}


def openai_chat(tk: TestGateway) -> BaseChatModel:
    return ChatOpenAI(
        model=MODEL, base_url=tk.base_url, api_key=SecretStr(tk.key), default_headers=HEADERS
    )


# No framework sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    pytest.mark.parametrize("make_model", [openai_chat]),
]


@tool
def get_toll(road: str, axles: int) -> str:
    """What a vehicle pays on a road."""
    return f"{road}: {axles} credits"


async def test_an_answer_is_the_providers_and_charged(
    tmp_path: Path, store_url: str, make_model: MakeModel
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        answer = await make_model(tk).ainvoke(QUESTION)

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == answer.text
        assert 12 == answer.usage_metadata["output_tokens"]
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert {"input_uncached": entry.prompt_tokens, "output_text": 12} == used(event)


async def test_a_stream_is_the_providers_and_charged(
    tmp_path: Path, store_url: str, make_model: MakeModel
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        texts = [chunk.text async for chunk in make_model(tk).astream(QUESTION)]

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == "".join(texts)
        assert len(texts) > 6
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert {"input_uncached": entry.prompt_tokens, "output_text": 12} == used(event)
        assert (True, "reported") == (event["stream"], event["provenance"])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_is_called_and_charged(
    tmp_path: Path, store_url: str, make_model: MakeModel, *, streamed: bool
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        model = make_model(tk).bind_tools([get_toll], tool_choice="any")
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
    tmp_path: Path, store_url: str, make_model: MakeModel
) -> None:
    """The vendor's SDK underneath would try again, were it not told that it is of no use."""
    async with running_gateway(tmp_path, store_url, credit=0) as tk:
        with pytest.raises(openai.RateLimitError, match="credit"):
            await make_model(tk).ainvoke(QUESTION)

        assert not tk.provider.journal.entries
    assert ["insufficient_quota"] == [line["reason"] for line in tk.lines.calls()]
