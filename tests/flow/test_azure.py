"""Azure OpenAI's own paths and key header, by its official client: a deployment is the model."""

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from support.gateways import (
    INPUT_UCR,
    OUTPUT_UCR,
    PROVIDER_CREDENTIAL,
    TestGateway,
    running_gateway,
)

from gateway.simulator.media import png, wav

MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url, auth="api-key") as gateway:
        yield gateway


def client_of(gateway: TestGateway) -> openai.AsyncAzureOpenAI:
    return openai.AsyncAzureOpenAI(
        azure_endpoint=gateway.base_url.removesuffix("/v1"),
        api_version="2026-01-01",
        api_key=gateway.key,
        max_retries=0,
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deployment_in_the_path_is_the_model_that_is_charged(gateway, stream):
    async with client_of(gateway) as client:
        answer = await client.chat.completions.create(
            model="gpt-4.1-mini", messages=MESSAGES, stream=stream
        )
        if stream:
            assert [chunk async for chunk in answer]
    books = await gateway.assert_books_balance()
    (event,) = await gateway.events()
    entry = gateway.provider.journal.entries[-1]

    assert ("gpt-4.1-mini", "reported") == (event["model"], event["provenance"])
    assert entry.prompt_tokens * INPUT_UCR + entry.tokens * OUTPUT_UCR == books.charged_ucr
    assert PROVIDER_CREDENTIAL == entry.headers["api-key"]
    assert "api-version=2026-01-01" in entry.path
    assert gateway.key not in str(entry.headers) + entry.path


async def test_an_alias_of_a_deployment_changes_the_path_alone(gateway):
    async with client_of(gateway) as client:
        await client.chat.completions.create(model="fast", messages=MESSAGES)
    entry = gateway.provider.journal.entries[-1]

    assert entry.path.startswith("/openai/deployments/gpt-4.1-mini/chat/completions?")
    assert b'"model":"fast"' in entry.body.replace(b" ", b"")


async def test_a_deployment_without_a_price_is_refused_in_azures_own_way(gateway):
    async with client_of(gateway) as client:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await client.chat.completions.create(model="gpt-9", messages=MESSAGES)

    assert "model_not_priced" == refused.value.code
    assert [] == list(gateway.provider.journal.entries)


SELLS = {
    "text-embedding-3-small": '{input: "0.02", output: "0"}',
    "gpt-image-1": '{input: "5", input_image: "10", output: "40"}',
    "tts-1": '{pieces: {character: "0.000015"}}',
}
PICTURE = ("a.png", png(32, 32, grey=9), "image/png")
OTHERS = {
    "embeddings": (
        "text-embedding-3-small",
        lambda client, model: client.embeddings.create(model=model, input="a toll road"),
    ),
    "images/generations": (
        "gpt-image-1",
        lambda client, model: client.images.generate(model=model, prompt="a", quality="low"),
    ),
    "images/edits": (
        "gpt-image-1",
        lambda client, model: client.images.edit(
            model=model, prompt="a", quality="low", image=PICTURE
        ),
    ),
    "audio/speech": (
        "tts-1",
        lambda client, model: client.audio.speech.create(model=model, input="a", voice="alloy"),
    ),
    "audio/transcriptions": (
        "whisper-1",
        lambda client, model: client.audio.transcriptions.create(
            model=model, file=("a.wav", wav(2), "audio/wav")
        ),
    ),
}


@pytest.mark.parametrize("alias", [False, True])
@pytest.mark.parametrize("path", OTHERS)
async def test_deployments_of_other_kinds_are_charged_by_their_path(
    tmp_path, store_url, path, alias
):
    model, ask = OTHERS[path]
    routes = f"  - {{match: ours, provider: simulated, upstream_model: {model}}}\n"
    async with running_gateway(
        tmp_path, store_url, auth="api-key", sells=SELLS, routes=routes
    ) as gateway:
        async with client_of(gateway) as client:
            await ask(client, "ours" if alias else model)

        assert 0 < (await gateway.assert_books_balance()).charged_ucr
        [event] = await gateway.events()
        [entry] = gateway.provider.journal.entries
        assert model == event["model"]
        assert entry.path.startswith(f"/openai/deployments/{model}/{path}?")
        assert alias == (b"ours" in entry.body)
