"""Anthropic's client for Vertex AI, with our key in place of Google's token."""

from pathlib import Path

import anthropic
import pytest
from anthropic import AsyncAnthropicVertex
from support.anthropic_sdk import CUT_SHORT, INPUT_UCR, MODEL, OPTIONS, OUTPUT_UCR, asked
from support.gateways import PROVIDER_CREDENTIAL, TestGateway, running_gateway

VERTEX = OPTIONS | {"apis": "[gemini]", "auth": "bearer"}
# No SDK sees what kind of store there is: one is enough.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


def client_of(tk: TestGateway, **options) -> AsyncAnthropicVertex:
    return AsyncAnthropicVertex(
        base_url=f"{tk.origin}/v1",
        region="us-east5",
        project_id="p",
        access_token=tk.key,
        **options,
    )


async def test_messages_are_made_and_streamed(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, **VERTEX) as tk:
        async with client_of(tk) as sdk:
            whole = await sdk.messages.create(**asked(simulate="tokens=20"))
            async with sdk.messages.stream(**asked(simulate="tokens=20")) as stream:
                message = await stream.get_final_message()

        assert whole.content[0].text == message.content[0].text
        balance = await tk.assert_books_balance()
        first, second = await tk.events()
        assert ["anthropic_vertex", MODEL, "reported"] == [
            first[name] for name in ("dialect", "model", "provenance")
        ]
        assert first["usage"] == second["usage"]
        cost_ucr = whole.usage.input_tokens * INPUT_UCR + 20 * OUTPUT_UCR
        assert 2 * cost_ucr == balance.charged_ucr
        entries = tk.provider.journal.entries
        assert f"Bearer {PROVIDER_CREDENTIAL}" == entries[0].headers["Authorization"]
        assert [":rawPredict", ":streamRawPredict"] == [
            entry.path.rpartition(MODEL)[2] for entry in entries
        ]


async def test_a_stream_cut_by_quota_ends_like_one_cut_by_max_tokens(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, **(VERTEX | CUT_SHORT)) as tk:
        async with (
            client_of(tk) as sdk,
            sdk.messages.stream(**asked(simulate="tokens=400")) as stream,
        ):
            message = await stream.get_final_message()

        assert "max_tokens" == message.stop_reason
        await tk.assert_books_balance()


async def test_refusals_are_the_sdks_own_errors(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, credit=0, **VERTEX) as tk:
        async with client_of(tk, max_retries=2) as sdk:
            with pytest.raises(anthropic.RateLimitError, match="Add credit"):
                await sdk.messages.create(**asked())
            with pytest.raises(anthropic.PermissionDeniedError):
                await sdk.messages.create(**asked(model="elsewhere"))

    assert 2 == len(tk.lines.calls())


async def test_legacy_completions_are_counted(tmp_path: Path, store_url: str) -> None:
    prompt = "\n\nHuman: Tell me about toll roads.\n\nAssistant:"
    body = {"model": MODEL, "prompt": prompt, "max_tokens_to_sample": 100}
    headers = {"anthropic-version": "2023-06-01", "x-simulate": "tokens=20"}
    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        headers["x-api-key"] = tk.key
        for stream in (False, True):
            url = f"{tk.base_url}/complete"
            async with tk.http.post(url, json=body | {"stream": stream}, headers=headers) as answer:
                assert 200 == answer.status
                assert b'"stop_sequence"' in await answer.read()
        await tk.assert_books_balance()
        events = await tk.events()
        assert ["counted", "counted"] == [event["provenance"] for event in events]
        assert [20, 20] == [event["usage"]["output_text"] for event in events]
