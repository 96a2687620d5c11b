"""The Responses API through the official Node SDK, whose helper is strict about events."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import MODEL, TestGateway
from support.node_sdk import NodeSdk, Talk, balanced_gateway, talk
from support.python_sdk import CUT_SHORT

# The first test installs the SDK. No SDK sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
]

REQUEST = {"model": MODEL, "input": "Tell me about toll roads. Ünïcode: 道路."}
TOOL = {
    "type": "function",
    "name": "get_toll",
    "parameters": {"type": "object", "properties": {"road": {"type": "string"}}},
}


def through(tk: TestGateway, **options: Any) -> Talk:
    return talk(tk, **{"request": REQUEST} | options)


async def test_plain_streamed_and_built_by_the_helper_it_is_the_same_answer(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        plain, streamed = await node_sdk.run(
            "responses",
            through(tk, simulate="tokens=12"),
            through(tk, simulate="tokens=12", request=REQUEST | {"stream": True}),
        )
        [built] = await node_sdk.run("responses_helper", through(tk, simulate="tokens=12"))

        said = tk.provider.journal.entries[0].texts[0]
        assert said == plain["answer"]["output_text"] == built["answer"]["text"]
        assert said == built["answer"]["response"]["output_text"]
        assert "response.completed" == streamed["answer"][-1]["type"]


async def test_function_calls_are_put_together(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    request = REQUEST | {"tools": [TOOL], "tool_choice": "required"}
    async with balanced_gateway(tmp_path, store_url) as tk:
        [told] = await node_sdk.run("responses_helper", through(tk, request=request))

        [item] = told["answer"]["response"]["output"]
        assert {"road": "Paris"} == orjson.loads(item["arguments"])


async def test_a_cut_stream_leaves_an_incomplete_response(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url, **CUT_SHORT) as tk:
        [told] = await node_sdk.run("responses_helper", through(tk, simulate="tokens=400"))

        response = told["answer"]["response"]
        assert ("incomplete", {"reason": "max_output_tokens"}) == (
            response["status"],
            response["incomplete_details"],
        )
        assert response["output_text"] == told["answer"]["text"]
        [entry] = tk.provider.journal.entries
        assert entry.texts[0].startswith(response["output_text"])
        await tk.settled()
        assert ["cut_by_quota"] == [event["end"] for event in await tk.events()]


async def test_refusals_are_the_sdks_own_errors(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        told = await node_sdk.run(
            "responses",
            through(tk, api_key="tk_unknown"),
            through(tk, request=REQUEST | {"tools": [{"type": "web_search"}]}),
            through(tk, request=REQUEST | {"max_output_tokens": -1}),
        )

        assert [
            ("AuthenticationError", 401, "invalid_api_key"),
            ("PermissionDeniedError", 403, "model_not_priced"),
            ("BadRequestError", 400, "invalid_request"),
        ] == [(e["kind"], e["status"], e["code"]) for e in (each["error"] for each in told)]
