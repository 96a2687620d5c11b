"""The snippets of `docs/sdks.md`, run as they stand there against a gateway to each vendor's API.

A block's first line names the API and, for Node, the folder in `tests/node` with its packages.
"""

from pathlib import Path
from typing import Any

import pytest
from support import anthropic_sdk, bedrock_sdks, gemini_sdk
from support.commands import python
from support.gateways import TestGateway, running_gateway
from support.node_sdk import SOURCE, install
from support.pages import Block, blocks

OPTIONS: dict[str, dict[str, Any]] = {
    "openai": {},
    "azure": {"auth": "api-key"},
    "anthropic": anthropic_sdk.OPTIONS,
    "bedrock": bedrock_sdks.OPTIONS,
    "vertex": anthropic_sdk.OPTIONS | {"apis": "[gemini]", "auth": "bearer"},
    "gemini": gemini_sdk.OPTIONS,
}

# No SDK sees what kind of store there is: one is enough. The first of Node installs its packages.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
]


def snippets(language: str) -> list[Block]:
    return [block for block in blocks(language) if block.page == "sdks.md"]


def for_here(block: Block, tk: TestGateway) -> str:
    assert "http://127.0.0.1:8080" in block.text
    assert "tk_..." in block.text
    return block.text.replace("http://127.0.0.1:8080", tk.origin).replace("tk_...", tk.key)


async def assert_charged(tk: TestGateway, printed: str) -> None:
    """What was printed is what the provider said, and its tokens were paid for."""
    balance = await tk.assert_books_balance()
    [entry] = tk.provider.journal.entries
    [event] = await tk.events()
    assert entry.texts[0] == printed.removesuffix("\n")
    assert len(printed.split()) > 5
    assert "reported" == event["provenance"]
    assert balance.charged_ucr > 0


@pytest.mark.parametrize("block", snippets("python"), ids=lambda block: block.mark)
async def test_python(tmp_path: Path, store_url: str, block: Block) -> None:
    async with running_gateway(tmp_path, store_url, **OPTIONS[block.mark]) as tk:
        ran = await python(for_here(block, tk), cwd=tmp_path)

        assert (0, "") == (ran.code, ran.err)
        await assert_charged(tk, ran.out)


@pytest.mark.parametrize("block", snippets("js"), ids=lambda block: block.mark)
async def test_node(
    tmp_path: Path, store_url: str, block: Block, request: pytest.FixtureRequest
) -> None:
    api, _, folder = block.mark.partition(" ")
    sdk = install(request.config.cache.mkdir("node_sdk"), SOURCE / folder)
    async with running_gateway(tmp_path, store_url, **OPTIONS[api]) as tk:
        await assert_charged(tk, await sdk.evaluate(for_here(block, tk)))


def test_every_vendor_has_its_snippet(store_url: str) -> None:
    marks = {block.mark.partition(" ")[0] for block in (*snippets("python"), *snippets("js"))}

    assert set(OPTIONS) == marks
