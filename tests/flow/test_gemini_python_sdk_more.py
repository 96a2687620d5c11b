"""Google's official Python SDK beyond generating: embeddings, cached contents, pictures, files."""

import asyncio
import io
from pathlib import Path

import pytest
from google.genai import errors, types
from support.gateways import PROVIDER_CREDENTIAL, running_gateway
from support.gemini_sdk import (
    CONTENTS,
    EMBED_UCR,
    INPUT_UCR,
    KEPT_UCR,
    MODEL,
    OPTIONS,
    PICTURE_UCR,
    client,
    gateway_and_sdk,
)
from support.python_sdk import used

pytestmark = [
    # No SDK sees what kind of store there is: one is enough.
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    # The SDK's own business.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:The generate_images method is deprecated"),
]
KEPT_PRICE = '{pieces: {cached_token_hour: "0.000001"}}'


@pytest.mark.parametrize(("simulate", "provenance"), [("", "reported"), ("no_usage", "counted")])
async def test_embeddings_are_charged_for_what_is_read(
    tmp_path: Path, store_url: str, simulate: str, provenance: str
) -> None:
    options = types.EmbedContentConfig(
        http_options=types.HttpOptions(headers={"x-simulate": simulate})
    )
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        answer = await sdk.models.embed_content(
            model="gemini-embedding-001", contents=["Toll roads", "and bridges"], config=options
        )

        assert 2 == len(answer.embeddings)
        balance = await tk.settled()
        [event] = await tk.events()
        [entry] = tk.provider.journal.entries
        assert (provenance, "gemini_embed") == (event["provenance"], event["dialect"])
        # The simulator's rule of thumb, or our own count of the same texts.
        read = {"reported": entry.prompt_tokens, "counted": 5}[provenance]
        assert {"input_uncached": read} == used(event)
        assert read * EMBED_UCR == balance.charged_ucr


async def test_a_cache_is_charged_for_its_prompt_and_its_time(
    tmp_path: Path, store_url: str
) -> None:
    asked = types.CreateCachedContentConfig(contents=CONTENTS, ttl="7200s")
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        cache = await sdk.caches.create(model=MODEL, config=asked)

        tokens = cache.usage_metadata.total_token_count
        balance = await tk.settled()
        [event] = await tk.events()
        assert {"input_uncached": tokens, "cached_token_hour": 2 * tokens} == used(event)
        assert tokens * INPUT_UCR + 2 * tokens * KEPT_UCR == balance.charged_ucr

        await sdk.caches.delete(name=cache.name)
        assert balance.charged_ucr == (await tk.settled()).charged_ucr


async def test_a_cache_until_a_moment_is_charged_until_then(tmp_path: Path, store_url: str) -> None:
    asked = types.CreateCachedContentConfig(contents=CONTENTS, expire_time="2020-01-01T00:00:00Z")
    async with gateway_and_sdk(tmp_path, store_url) as (tk, sdk):
        cache = await sdk.caches.create(model=MODEL, config=asked)

        await tk.settled()
        [event] = await tk.events()
        tokens = cache.usage_metadata.total_token_count
        assert {"input_uncached": tokens, "cached_token_hour": 0} == used(event)


async def test_keeping_a_cache_longer_is_charged_by_its_own_line_or_refused(
    tmp_path: Path, store_url: str
) -> None:
    """Of a cache that the provider always has: nobody here made it."""
    longer = types.UpdateCachedContentConfig(ttl="1800s")
    shared = {"stored_objects": "shared"}
    async with gateway_and_sdk(tmp_path / "unpriced", store_url, **shared) as (tk, sdk):
        with pytest.raises(errors.ClientError, match="has no price here"):
            await sdk.caches.update(name="cachedContents/simulated", config=longer)

    sells = OPTIONS["sells"] | {"cached_token_hour": KEPT_PRICE}
    priced = shared | {"sells": sells, "credit": 1000}
    async with gateway_and_sdk(tmp_path / "priced", store_url, **priced) as (tk, sdk):
        before = (await tk.balance()).charged_ucr
        cache = await sdk.caches.update(name="cachedContents/simulated", config=longer)

        kept = cache.usage_metadata.total_token_count // 2
        balance = await tk.settled()
        assert kept * KEPT_UCR == balance.charged_ucr - before
        assert {"cached_token_hour": kept} == used((await tk.events())[-1])


async def test_pictures_are_charged_as_they_are_delivered(tmp_path: Path, store_url: str) -> None:
    options = types.GenerateImagesConfig(number_of_images=3)
    async with gateway_and_sdk(tmp_path, store_url) as (tk, _):
        # The SDK has them at Vertex AI only.
        async with client(tk.origin, tk.key, vertexai=True).aio as sdk:
            answer = await sdk.models.generate_images(
                model="imagen-4.0-generate-001", prompt="A toll road", config=options
            )

        assert 3 == len(answer.generated_images)
        balance = await tk.settled()
        [event] = await tk.events()
        assert {"image": 3} == used(event)
        assert 3 * PICTURE_UCR == balance.charged_ucr


@pytest.mark.parametrize("synchronous", [False, True])
async def test_a_file_is_uploaded_through_the_gateway_alone(
    tmp_path: Path, store_url: str, *, synchronous: bool
) -> None:
    """The SDK sends the rest of an upload to the URL it is told, without any key of its own."""
    text = b"A long report on toll roads. " * 100
    config = types.UploadFileConfig(mime_type="text/plain")

    def upload(origin: str, key: str) -> types.File:
        with client(origin, key) as sdk:
            return sdk.files.upload(file=io.BytesIO(text), config=config)

    async with running_gateway(tmp_path, store_url, **OPTIONS) as tk:
        if synchronous:
            file = await asyncio.to_thread(upload, tk.origin, tk.key)
        else:
            async with client(tk.origin, tk.key).aio as sdk:
                file = await sdk.files.upload(file=io.BytesIO(text), config=config)

        assert len(text) == file.size_bytes
        start, rest = tk.provider.journal.entries
        assert text == rest.body
        for entry in (start, rest):
            assert PROVIDER_CREDENTIAL == entry.headers["x-goog-api-key"]
            assert tk.key not in f"{entry.headers}{entry.path}"
            # Both came from the gateway, not from the client.
            assert "x-tollkeeper-request-id" in entry.headers
        assert tk.key not in tk.lines.text()
        assert 0 == (await tk.assert_books_balance()).charged_ucr
