"""What an account stores at a provider is that account's: for others it is not there.

Both accounts reach the provider with the same credential, so nobody but the gateway keeps them
apart.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from openai import AsyncOpenAI
from support.gateways import MODEL, TestGateway, account_with_key, running_gateway

from gateway.metering.pricing import UCR_PER_CREDIT

CHAT = "/v1/chat/completions"
LINE = {
    "custom_id": "r1",
    "method": "POST",
    "url": CHAT,
    "body": {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5},
}


@asynccontextmanager
async def two_accounts(
    folder: Path, store_url: str, **options: Any
) -> AsyncIterator[tuple[TestGateway, AsyncOpenAI, AsyncOpenAI]]:
    async with running_gateway(folder, store_url, **options) as tk:
        other = await account_with_key(
            tk.session, granted_ucr=100 * UCR_PER_CREDIT, account="other"
        )
        async with AsyncOpenAI(api_key=tk.key, base_url=tk.base_url, max_retries=0) as sdk:
            yield tk, sdk, sdk.with_options(api_key=other)
        await tk.assert_books_balance()


async def upload(sdk: AsyncOpenAI, *, purpose: Any = "user_data", content: bytes = b"toll") -> str:
    return (await sdk.files.create(file=("f.jsonl", content), purpose=purpose)).id


def lines(**body: Any) -> bytes:
    return orjson.dumps(LINE | {"body": LINE["body"] | body})


async def is_not_found(asking: Awaitable[Any]) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await asking
    assert "object_not_found" == refused.value.code


async def test_a_file_is_its_uploaders_alone(tmp_path: Path, store_url: str) -> None:
    async with two_accounts(tmp_path, store_url) as (tk, sdk, other):
        file_id = await upload(sdk)
        asked = tk.provider.journal.total

        await is_not_found(other.files.retrieve(file_id))
        await is_not_found(other.files.content(file_id))
        await is_not_found(other.files.delete(file_id))

        assert asked == tk.provider.journal.total
        assert file_id == (await sdk.files.retrieve(file_id)).id
        assert b"toll" == (await sdk.files.content(file_id)).content
        assert (await sdk.files.delete(file_id)).deleted


async def test_nobody_may_use_anothers_object_in_a_call(tmp_path: Path, store_url: str) -> None:
    async with two_accounts(tmp_path, store_url) as (tk, sdk, other):
        file_id = await upload(sdk)
        batch_file = await upload(sdk, purpose="batch", content=lines())
        response = await sdk.responses.create(model=MODEL, input="Hi")
        asked = tk.provider.journal.total
        part: Any = {"type": "file", "file": {"file_id": file_id}}
        seen: Any = [{"role": "user", "content": [{"type": "input_file", "file_id": file_id}]}]

        def uses(sdk: AsyncOpenAI) -> list[Callable[[], Awaitable[Any]]]:
            return [
                lambda: sdk.responses.create(
                    model=MODEL, input="On", previous_response_id=response.id
                ),
                lambda: sdk.responses.create(model=MODEL, input=seen),
                lambda: sdk.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": [part]}], max_tokens=5
                ),
                lambda: sdk.batches.create(
                    input_file_id=batch_file, endpoint=CHAT, completion_window="24h"
                ),
            ]

        for use in uses(other):
            await is_not_found(use())
        assert asked == tk.provider.journal.total

        for use in uses(sdk):
            await use()
        tk.provider.shelf.finish()
        await sdk.batches.list()


async def test_a_response_is_known_by_the_beginning_of_its_stream(
    tmp_path: Path, store_url: str
) -> None:
    async with two_accounts(tmp_path, store_url) as (_, sdk, other):
        stream = await sdk.responses.create(model=MODEL, input="Hi", stream=True)
        events = [event async for event in stream]
        response_id = events[0].response.id  # type: ignore[union-attr]
        kept: Any = {"model": MODEL, "input": "On", "previous_response_id": response_id}

        await is_not_found(other.responses.create(**kept))
        await sdk.responses.create(**kept)


async def test_what_a_file_of_requests_refers_to_must_be_its_uploaders(
    tmp_path: Path, store_url: str
) -> None:
    async with two_accounts(tmp_path, store_url) as (tk, sdk, other):
        file_id = await upload(sdk)
        part = {"type": "file", "file": {"file_id": file_id}}
        content = lines(messages=[{"role": "user", "content": [part]}])
        asked = tk.provider.journal.total

        await is_not_found(upload(other, purpose="batch", content=content))

        assert asked == tk.provider.journal.total
        await upload(sdk, purpose="batch", content=content)


async def test_lists_show_the_callers_own_only(tmp_path: Path, store_url: str) -> None:
    async with two_accounts(tmp_path, store_url) as (_, sdk, other):
        mine = [await upload(sdk) for _ in range(2)]
        theirs = await upload(other)

        assert set(mine) == {file.id for file in (await sdk.files.list()).data}
        assert [theirs] == [file.id for file in (await other.files.list()).data]
        await is_not_found(other.files.list(after=mine[0]))


async def test_where_results_are_is_told_to_whom_the_batch_belongs(
    tmp_path: Path, store_url: str
) -> None:
    async with two_accounts(tmp_path, store_url) as (tk, sdk, other):
        file_id = await upload(sdk, purpose="batch", content=lines())
        begun = await sdk.batches.create(
            input_file_id=file_id, endpoint=CHAT, completion_window="24h"
        )
        tk.provider.shelf.finish()
        await is_not_found(other.batches.retrieve(begun.id))
        done = await sdk.batches.retrieve(begun.id)
        output = done.output_file_id
        assert output is not None

        await is_not_found(other.files.content(output))
        assert b"custom_id" in (await sdk.files.content(output)).content


async def test_what_changes_everybodys_model_is_refused(tmp_path: Path, store_url: str) -> None:
    async with two_accounts(tmp_path, store_url) as (tk, sdk, _):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await sdk.models.delete("ft:gpt-4.1-mini:org::1")

        assert "endpoint_refused" == refused.value.code
        assert not tk.provider.journal.entries


async def test_another_worker_knows_it_too(tmp_path: Path, store_url: str) -> None:
    """Whose an object is, is in the store, not in a process."""
    async with two_accounts(tmp_path / "a", store_url) as (tk, sdk, _):
        file_id = await upload(sdk)
        same = tk.provider_url.removesuffix("/v1")
        async with running_gateway(tmp_path / "b", store_url, provider_url=same) as second:
            async with asyncio.timeout(10):
                while True:
                    elsewhere = sdk.with_options(base_url=second.base_url)
                    try:
                        found = await elsewhere.files.retrieve(file_id)
                    except openai.NotFoundError:
                        continue
                    break
            assert file_id == found.id


async def test_shared_objects_are_everybodys(tmp_path: Path, store_url: str) -> None:
    async with two_accounts(tmp_path, store_url, stored_objects="shared") as (_, sdk, other):
        file_id = await upload(sdk)

        assert file_id == (await other.files.retrieve(file_id)).id
        assert [file_id] == [file.id for file in (await other.files.list()).data]


async def test_anthropics_clients_are_told_in_their_own_way(tmp_path: Path, store_url: str) -> None:
    async with (
        running_gateway(tmp_path, store_url, apis="[openai, anthropic]") as tk,
        anthropic.AsyncAnthropic(api_key=tk.key, base_url=tk.origin, max_retries=0) as sdk,
    ):
        with pytest.raises(anthropic.NotFoundError) as refused:
            await sdk.messages.batches.retrieve("msgbatch_of_another")

        body: Any = refused.value.body
        assert "not_found_error" == body["error"]["type"]
        assert not tk.provider.journal.entries
