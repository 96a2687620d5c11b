"""Anthropic's official Node SDK, unchanged but for its base URL and key: it must notice no
gateway."""

from pathlib import Path
from typing import Any

import pytest
from support.anthropic_sdk import CUT_SHORT, MESSAGES, MODEL, OPTIONS, TOOL
from support.gateways import TestGateway
from support.node_sdk import ANTHROPIC, NodeSdk, Talk, balanced_gateway, install

# The first test installs the SDK. No SDK sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
]


@pytest.fixture(scope="module")
def sdk(request: pytest.FixtureRequest) -> NodeSdk:
    return install(request.config.cache.mkdir("node_sdk"), ANTHROPIC)


def asked(tk: TestGateway, verb: str, *, simulate: str = "tokens=12", **options: Any) -> Talk:
    retries = options.pop("max_retries", 0)
    request = {"verb": verb, "model": MODEL, "messages": MESSAGES, "max_tokens": 1000} | options
    return Talk(
        request=request,
        base_url=tk.origin,
        api_key=tk.key,
        simulate=simulate,
        max_retries=retries,
    )


async def test_a_message_is_what_the_provider_said(
    tmp_path: Path, store_url: str, sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url, **OPTIONS) as tk:
        plain, streamed, models = await sdk.run(
            "talk", asked(tk, "create"), asked(tk, "stream"), asked(tk, "models")
        )

        [text] = tk.provider.journal.entries[0].texts
        assert text == plain["answer"]["content"][0]["text"] == streamed["answer"]["text"]
        message = streamed["answer"]["message"]
        assert text == message["content"][0]["text"]
        assert plain["answer"]["usage"] == message["usage"]
        assert MODEL in models["answer"]
        await tk.settled()
        assert [12, 12] == [event["usage"]["output_text"] for event in await tk.events()]


async def test_thinking_and_tools_arrive_whole_and_in_pieces(
    tmp_path: Path, store_url: str, sdk: NodeSdk
) -> None:
    options = {"simulate": "tool,reasoning=9", "tools": [TOOL]}
    async with balanced_gateway(tmp_path, store_url, **OPTIONS) as tk:
        plain, streamed = await sdk.run(
            "talk", asked(tk, "create", **options), asked(tk, "stream", **options)
        )

        whole, built = plain["answer"]["content"], streamed["answer"]["message"]["content"]
        assert whole == built
        assert {"road": "Paris", "axles": 3} == whole[-1]["input"]


async def test_refusals_are_the_sdks_own_errors_and_are_not_retried(
    tmp_path: Path, store_url: str, sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url, **OPTIONS | {"credit": 0}) as tk:
        told = await sdk.run(
            "talk",
            asked(tk, "create", max_retries=2),
            asked(tk, "create", max_retries=2, stream=True),
            asked(tk, "create", max_retries=2, model="elsewhere"),
        )
        kinds = [(each["error"]["status"], each["error"]["type"]) for each in told]

        assert [(402, "billing_error")] * 2 + [(403, "permission_error")] == kinds
        assert all(each["error"]["ofTheSdk"] for each in told)
        assert "insufficient_quota" == told[0]["error"]["body"]["error"]["details"]["error_code"]
        assert not tk.provider.journal.entries
    assert [line["request_id"] for line in tk.lines.calls()] == [
        each["error"]["requestId"] for each in told
    ]


@pytest.mark.parametrize("simulate", ["tokens=400", "tokens=40,reasoning=400"])
async def test_a_stream_cut_by_quota_is_put_together_as_one_cut_by_max_tokens(
    tmp_path: Path, store_url: str, sdk: NodeSdk, simulate: str
) -> None:
    async with balanced_gateway(tmp_path, store_url, **OPTIONS | CUT_SHORT) as tk:
        [told] = await sdk.run("talk", asked(tk, "stream", simulate=simulate))
        await tk.settled()

        message = told["answer"]["message"]
        assert "max_tokens" == message["stop_reason"]
        assert 1 == len(message["content"])
        [event] = await tk.events()
        assert "cut_by_quota" == event["end"]
        assert event["usage"]["output_text"] == message["usage"]["output_tokens"]


async def test_a_tool_call_that_is_cut_is_put_together_as_far_as_it_came(
    tmp_path: Path, store_url: str, sdk: NodeSdk
) -> None:
    properties = {f"road_{number}": {"type": "string"} for number in range(80)}
    tool = TOOL | {"input_schema": {"type": "object", "properties": properties}}
    options = OPTIONS | CUT_SHORT | {"credit": 1.2}
    async with balanced_gateway(tmp_path, store_url, **options) as tk:
        [told] = await sdk.run("talk", asked(tk, "stream", simulate="tool", tools=[tool]))

        [call] = told["answer"]["message"]["content"]
        assert 0 < len(call["input"]) < 80


async def test_a_client_that_leaves_is_charged_what_it_had(
    tmp_path: Path, store_url: str, sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url, **OPTIONS) as tk:
        simulate = "tokens=400,delay_ms=10"
        [told] = await sdk.run("talk", asked(tk, "leave", events=20, simulate=simulate))
        await tk.settled()

        assert 20 == told["answer"]
        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert "client_left" == event["end"]
        assert entry.prompt_tokens == event["usage"]["input_uncached"]
        assert 10 < event["usage"]["output_text"] <= entry.tokens + 1 < 400
