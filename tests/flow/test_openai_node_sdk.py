"""The official Node SDK, unchanged but for its base URL and key: it must notice no gateway."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import MODEL, TestGateway
from support.held_credit import STRICT, held_until_refused
from support.node_sdk import NodeSdk, Talk, balanced_gateway, talk
from support.python_sdk import CUT_SHORT

# The first test installs the SDK. No SDK sees what kind of store there is: one is enough.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
]

REQUEST = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me about toll roads. Ünïcode: 道路."}],
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_toll",
        "parameters": {"type": "object", "properties": {"road": {"type": "string"}}},
    },
}


def through(tk: TestGateway, **options: Any) -> Talk:
    return talk(tk, **{"request": REQUEST} | options)


def directly(tk: TestGateway, **options: Any) -> Talk:
    return through(tk, base_url=tk.provider_url, **options)


def text_of(chunks: list[Any]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )


async def test_a_plain_answer_is_the_providers(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        [told] = await node_sdk.run("create", through(tk, simulate="tokens=12"))

        [entry] = tk.provider.journal.entries
        assert entry.texts[0] == told["answer"]["choices"][0]["message"]["content"]
        assert 12 == told["answer"]["usage"]["completion_tokens"]


async def test_a_stream_has_the_usage_that_was_asked_for_and_no_other(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    plain = REQUEST | {"stream": True}
    asking = plain | {"stream_options": {"include_usage": True}}
    async with balanced_gateway(tmp_path, store_url) as tk:
        without, with_usage = await node_sdk.run(
            "create",
            through(tk, request=plain, simulate="tokens=12"),
            through(tk, request=asking, simulate="tokens=12"),
        )

        text = tk.provider.journal.entries[0].texts[0]
        assert text == text_of(without["answer"]) == text_of(with_usage["answer"])
        assert not any(chunk.get("usage") for chunk in without["answer"])
        assert 12 == with_usage["answer"][-1]["usage"]["completion_tokens"]


async def test_the_stream_helper_builds_the_whole_answer(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        [told] = await node_sdk.run("stream_helper", through(tk, simulate="tokens=12"))

        [entry] = tk.provider.journal.entries
        content = told["answer"]["completion"]["choices"][0]["message"]["content"]
        assert entry.texts[0] == content == told["answer"]["text"]


async def test_tool_calls_arrive_whole_and_in_pieces(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    request = REQUEST | {"tools": [TOOL], "tool_choice": "required"}
    async with balanced_gateway(tmp_path, store_url) as tk:
        [plain] = await node_sdk.run("create", through(tk, request=request))
        [built] = await node_sdk.run("stream_helper", through(tk, request=request))

        [whole] = plain["answer"]["choices"][0]["message"]["tool_calls"]
        assert {"road": "Paris"} == orjson.loads(whole["function"]["arguments"])
        [streamed] = built["answer"]["completion"]["choices"][0]["message"]["tool_calls"]
        assert whole["function"]["arguments"] == streamed["function"]["arguments"]
        assert (whole["id"], "get_toll") == (streamed["id"], streamed["function"]["name"])


async def test_the_response_shows_both_request_ids(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        [told] = await node_sdk.run("with_response", through(tk))

        [entry] = tk.provider.journal.entries
        headers = told["answer"]["headers"]
        assert entry.request_id == told["answer"]["requestId"] == headers["x-request-id"]
        assert entry.headers["x-tollkeeper-request-id"] == headers["x-tollkeeper-request-id"]


async def test_models_are_listed(tmp_path: Path, store_url: str, node_sdk: NodeSdk) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        [told] = await node_sdk.run("models", through(tk))

        assert MODEL in told["answer"]


async def test_an_empty_account_causes_no_retry_storm(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    """One plain call and one stream, both free to retry twice: two requests arrive."""
    async with balanced_gateway(tmp_path, store_url, credit=0) as tk:
        told = await node_sdk.run(
            "create",
            through(tk, max_retries=2),
            through(tk, max_retries=2, request=REQUEST | {"stream": True}),
        )

        for error in (each["error"] for each in told):
            assert ("RateLimitError", "insufficient_quota") == (error["kind"], error["code"])
            assert "0.000000" == error["body"]["available"]
        assert not tk.provider.journal.entries
    assert ["insufficient_quota"] * 2 == [line["reason"] for line in tk.lines.calls()]


async def test_refusals_are_the_sdks_own_errors_and_are_not_retried(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        told = await node_sdk.run(
            "create",
            through(tk, max_retries=2, api_key="tk_unknown"),
            through(tk, max_retries=2, request=REQUEST | {"model": "claude-x"}),
            through(tk, max_retries=2, request=REQUEST | {"max_tokens": -1}),
        )

        assert [
            ("AuthenticationError", 401, "invalid_api_key"),
            ("PermissionDeniedError", 403, "model_not_allowed"),
            ("BadRequestError", 400, "invalid_request"),
        ] == [(e["kind"], e["status"], e["code"]) for e in (each["error"] for each in told)]
    assert 3 == len(tk.lines.calls())


async def test_held_credit_is_waited_for(tmp_path: Path, store_url: str, node_sdk: NodeSdk) -> None:
    request = REQUEST | {"max_tokens": 1000}
    async with balanced_gateway(tmp_path, store_url, plan=STRICT, credit=0.2) as tk:
        talk = through(tk, request=request, simulate="tokens=3", max_retries=3)
        async with held_until_refused(tk, max_tokens=1000):
            waiting = asyncio.ensure_future(node_sdk.run("create", talk))
        [told] = await waiting

        assert 3 == told["answer"]["usage"]["completion_tokens"]


async def test_a_stream_cut_by_quota_ends_like_one_cut_by_length(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    request = REQUEST | {"stream": True}
    async with balanced_gateway(tmp_path, store_url, **CUT_SHORT) as tk:
        [told] = await node_sdk.run("create", through(tk, request=request, simulate="tokens=400"))

        assert "length" == told["answer"][-1]["choices"][0]["finish_reason"]
        [entry] = tk.provider.journal.entries
        text = text_of(told["answer"])
        assert text
        assert entry.texts[0].startswith(text)
        await tk.settled()
        assert ["cut_by_quota"] == [event["end"] for event in await tk.events()]


async def test_a_stream_the_provider_breaks_is_the_same_error_as_directly(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    """The SDK passes on what Node's own fetch throws."""
    broken = {"request": REQUEST | {"stream": True}, "simulate": "tokens=50,fail=close_after:10"}
    async with balanced_gateway(tmp_path, store_url) as tk:
        there, here = await node_sdk.run("create", directly(tk, **broken), through(tk, **broken))

        assert "error" in there
        assert there == here


async def test_the_sdk_sees_the_same_directly_and_through_the_gateway(
    tmp_path: Path, store_url: str, node_sdk: NodeSdk
) -> None:
    async with balanced_gateway(tmp_path, store_url) as tk:
        asked = [
            {"request": REQUEST | changes, "simulate": simulate} for simulate, changes in SAME_CALLS
        ]
        there = await node_sdk.run("create", *(directly(tk, **each) for each in asked))
        here = await node_sdk.run("create", *(through(tk, **each) for each in asked))

    for call, expected, actual in zip(SAME_CALLS, there, here, strict=True):
        assert (call, comparable(expected)) == (call, comparable(actual))


SAME_CALLS = [
    ("tokens=20,cached=8,reasoning=5", {}),
    ("tokens=20,gzip", {"n": 2}),
    ("tokens=20", {"stream": True, "n": 2}),
    ("tool,comments", {"stream": True, "tools": [TOOL]}),
    ("tokens=20,br", {"stream": True, "stream_options": {"include_usage": True}}),
    ("status=404", {}),
    ("status=429,retry_after=1", {"stream": True}),
]


def comparable(told: dict[str, Any]) -> Any:
    """Without times and request ids, and without the null usage that our asking for it brings."""
    if "error" in told:
        return told["error"] | {"requestId": None}
    objects = told["answer"] if isinstance(told["answer"], list) else [told["answer"]]
    return [
        {
            name: value
            for name, value in each.items()
            if name not in HIDDEN and (name, value) != NULL
        }
        for each in objects
    ]


HIDDEN = {"created", "_request_id"}
NULL = ("usage", None)
