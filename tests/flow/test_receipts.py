"""Of a call in any dialect, streamed or not, the receipt adds up: what was used times the published
rates is the charge, exactly, and the grants paid that. One gateway, in front of all vendors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import anthropic_sdk, bedrock_sdks, gemini_sdk
from support.gateways import ACCOUNT, SERVICE_KEY, SIGNED, TestGateway, running_gateway
from support.metering_api import ask, caught_up
from support.service import ask as ask_as_service

from gateway.metering.ledger import Grant, GrantKind
from gateway.simulator.media import wav
from gateway.simulator.provider import SimulatedProvider

CLAUDE, AWS, GEMINI = anthropic_sdk.MODEL, bedrock_sdks.MODEL, gemini_sdk.MODEL
# Rates of which no whole microcredits come out, so that there is something to round.
SELLS = {
    **gemini_sdk.SELLS,
    CLAUDE: anthropic_sdk.SELLS[CLAUDE],
    "odd": '{input: "0.33", cache_read: "0.0331", output: "0.777", reasoning: "0.9999"}',
    "text-embedding-3-small": '{input: "0.0213", output: "0", context_tokens: 8192}',
    "rerank-v3.5": '{pieces: {search_unit: "0.002"}}',
    "rerank-2.5": '{input: "0.0517", output: "0", context_tokens: 32000}',
    "dall-e-2": '{pieces: {image: "0.02"}}',
    "tts-1": '{pieces: {character: "0.000015"}}',
    "gpt-4o-mini-tts": '{input: "0.6", output: "12", max_output_tokens: 16384}',
}
PROMPT = "Tell me about toll roads. Ünïcode, please: 道路."
MESSAGES = [{"role": "user", "content": PROMPT}]
CLAUDES = {"model": CLAUDE, "max_tokens": 200, "messages": MESSAGES}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
ON_BEDROCK = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 200,
    "messages": MESSAGES,
}
DOCUMENTS = {"query": "Where does it end?", "documents": ["At the river.", "Nowhere.", "道路"]}
SOUND = wav(7.2)


@dataclass(frozen=True)
class Asked:
    """`form`: sent as a form, with the sound as its file. `pieces`: what is sold otherwise than by
    the token."""

    path: str
    body: Mapping[str, Any]
    model: str
    dialect: str
    simulate: str = "tokens=37"
    form: bool = False
    counted: bool = False
    pieces: Mapping[str, int] = field(default_factory=dict)


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "odd", "messages": MESSAGES, "max_tokens": 200} | fields


def gemini(verb: str) -> str:
    return f"/v1beta/models/{GEMINI}:{verb}"


STREAM = {"stream": True}
CALLS = {
    "chat": Asked("/v1/chat/completions", chat(), "odd", "openai_chat", "tokens=37,cached=7"),
    "chat, thinking": Asked(
        "/v1/chat/completions", chat(), "odd", "openai_chat", "tokens=37,reasoning=11"
    ),
    "chat, streamed": Asked("/v1/chat/completions", chat(**STREAM), "odd", "openai_chat"),
    "chat, not reported": Asked(
        *("/v1/chat/completions", chat(**STREAM), "odd", "openai_chat"),
        simulate="tokens=37,no_usage",
        counted=True,
    ),
    "completions": Asked(
        "/v1/completions", {"model": "odd", "prompt": PROMPT}, "odd", "openai_completions"
    ),
    "completions, streamed": Asked(
        "/v1/completions", {"model": "odd", "prompt": PROMPT} | STREAM, "odd", "openai_completions"
    ),
    "responses": Asked(
        "/v1/responses", {"model": "odd", "input": PROMPT}, "odd", "openai_responses"
    ),
    "responses, streamed": Asked(
        *("/v1/responses", {"model": "odd", "input": PROMPT} | STREAM, "odd", "openai_responses"),
        simulate="tokens=37,reasoning=11,cached=5",
    ),
    "embeddings": Asked(
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": PROMPT},
        "text-embedding-3-small",
        "openai_embeddings",
    ),
    "messages": Asked(
        *("/v1/messages", CLAUDES, CLAUDE, "anthropic_messages"),
        simulate="tokens=37,cached=7,written=5",
    ),
    "messages, streamed": Asked("/v1/messages", CLAUDES | STREAM, CLAUDE, "anthropic_messages"),
    "gemini": Asked(
        *(gemini("generateContent"), CONTENTS, GEMINI, "gemini_generate"),
        simulate="tokens=37,reasoning=11,cached=5",
    ),
    "gemini, streamed": Asked(
        gemini("streamGenerateContent") + "?alt=sse", CONTENTS, GEMINI, "gemini_generate"
    ),
    "gemini, streamed as a list": Asked(
        gemini("streamGenerateContent"), CONTENTS, GEMINI, "gemini_generate"
    ),
    "gemini, embedded": Asked(
        "/v1beta/models/gemini-embedding-001:embedContent",
        {"content": {"parts": [{"text": PROMPT}]}},
        "gemini-embedding-001",
        "gemini_embed",
    ),
    "gemini, a picture": Asked(
        "/v1beta/models/imagen-4.0-generate-001:predict",
        {"instances": [{"prompt": PROMPT}], "parameters": {"sampleCount": 2}},
        "imagen-4.0-generate-001",
        "gemini_predict",
        pieces={"image": 2},
    ),
    "rerank, by the search": Asked(
        "/v2/rerank",
        DOCUMENTS | {"model": "rerank-v3.5"},
        "rerank-v3.5",
        "rerank",
        pieces={"search_unit": 1},
    ),
    "rerank, by the token": Asked(
        "/v1/rerank", DOCUMENTS | {"model": "rerank-2.5"}, "rerank-2.5", "rerank"
    ),
    "pictures": Asked(
        "/v1/images/generations",
        {"model": "dall-e-2", "prompt": PROMPT, "n": 2, "size": "512x512"},
        "dall-e-2",
        "openai_images",
        counted=True,
        pieces={"image.standard.512x512": 2},
    ),
    "speech, by the character": Asked(
        "/v1/audio/speech",
        {"model": "tts-1", "voice": "alloy", "input": PROMPT},
        "tts-1",
        "openai_speech",
        counted=True,
        pieces={"character": len(PROMPT)},
    ),
    "transcription, by the second": Asked(
        "/v1/audio/transcriptions",
        {"model": "whisper-1"},
        "whisper-1",
        "openai_transcription",
        form=True,
        pieces={"audio_second": 8},
    ),
    "transcription, by the token": Asked(
        "/v1/audio/transcriptions",
        {"model": "gpt-4o-transcribe"},
        "gpt-4o-transcribe",
        "openai_transcription",
        form=True,
    ),
    "bedrock": Asked(f"/model/{AWS}/invoke", ON_BEDROCK, AWS, "bedrock_messages"),
    "bedrock, streamed": Asked(
        f"/model/{AWS}/invoke-with-response-stream", ON_BEDROCK, AWS, "bedrock_messages"
    ),
}


async def called(tk: TestGateway, asked: Asked) -> str:
    """Makes the call; its id."""
    headers = {"Authorization": f"Bearer {tk.key}", "x-simulate": asked.simulate}
    if asked.path.startswith("/v1/messages"):
        headers["anthropic-version"] = "2023-06-01"
    sent: dict[str, Any] = {"json": dict(asked.body)}
    if asked.form:
        form = aiohttp.FormData(dict(asked.body))
        form.add_field("file", SOUND, filename="talk.wav", content_type="audio/wav")
        sent = {"data": form}
    async with tk.http.post(tk.origin + asked.path, headers=headers, **sent) as answer:
        text = await answer.read()
        assert 200 == answer.status, text
        return str(answer.headers["x-tollkeeper-request-id"])


def came_to(receipt: Mapping[str, Any]) -> int:
    """The charge in microcredits, from its lines alone, rounded up once."""
    exact = sum(
        Fraction(line["quantity"]) * Fraction(line["credits_per_million"]) * line["percent"] / 100
        for line in receipt["lines"]
        if line["kind"] != "rounding"
    )
    return ceil(exact)


def published(pricing: Mapping[str, Any], model: str) -> dict[str, str]:
    """Credits per million of each class and kind of piece."""
    [card] = [each for each in pricing["models"] if each["model"] == model]
    rates = dict(card["credits_per_million_pieces"])
    for tier in card["rates"]:
        rates |= tier["credits_per_million_tokens"]
    return rates


def rate_of(rates: Mapping[str, str], name: str) -> str:
    """A kind of piece without a price of its own has that of what it is a kind of."""
    while name not in rates:
        name = name.rpartition(".")[0]
    return rates[name]


def assert_adds_up(receipt: Mapping[str, Any], asked: Asked, rates: Mapping[str, str]) -> None:
    lines = [line for line in receipt["lines"] if line["kind"] != "rounding"]
    charge = receipt["charge"]["microcredits"]
    paid = sum(each["amount"]["microcredits"] for each in receipt["burned"])

    assert {"tokens", "pieces"} >= {line["kind"] for line in lines}
    assert charge == came_to(receipt) == paid > 0
    assert charge == sum(line["amount"]["microcredits"] for line in receipt["lines"])
    assert charge <= receipt["hold"]["microcredits"]
    assert 0 == receipt["debt"]["microcredits"]
    assert {line["name"]: rate_of(rates, line["name"]) for line in lines} == {
        line["name"]: line["credits_per_million"] for line in lines
    }
    assert ("known", "completed", 200) == (receipt["rates"], receipt["end"], receipt["http_status"])
    provenance = "counted" if asked.counted else "reported"
    assert (asked.model, asked.dialect, provenance) == (
        receipt["model"],
        receipt["dialect"],
        receipt["provenance"],
    )
    told = {line["name"]: line["quantity"] for line in lines if line["kind"] == "pieces"}
    assert dict(asked.pieces) == told


@pytest.mark.timeout(120)
async def test_a_call_in_any_dialect_has_a_receipt_that_adds_up(
    tmp_path: Path, store_url: str
) -> None:
    bedrock = SimulatedProvider()
    url = f"http://127.0.0.1:{await bedrock.start()}"
    aws = f'  aws: {{base_url: "{url}", {SIGNED}, apis: [bedrock]}}\n'
    options: dict[str, Any] = {
        "apis": "[openai, anthropic, gemini]",
        "sells": SELLS,
        "priced": {AWS: bedrock_sdks.PRICE},
        "providers": aws,
        "routes": f'  - {{match: "{AWS}", provider: aws}}\n',
    }
    async with running_gateway(tmp_path, store_url, credit=100, **options) as tk:
        # Spent first, and in the middle of a call.
        promo = Grant(
            grant_id="promo", account_id=ACCOUNT, amount_ucr=3_000, kind=GrantKind.PROMO, priority=1
        )
        await tk.ledger.grant(promo)
        ids = {name: await called(tk, asked) for name, asked in CALLS.items()}
        charged = await caught_up(tk)
        _, pricing = await ask(tk, "/pricing")
        receipts = {name: (await ask(tk, f"/generations/{ids[name]}"))[1] for name in CALLS}
        _, same = await ask_as_service(
            tk, "GET", f"/generations/{ids['chat']}?account_id={ACCOUNT}", bearer=SERVICE_KEY
        )
        for name, asked in CALLS.items():
            assert_adds_up(receipts[name], asked, published(pricing, asked.model))
        events = {event["event_id"]: event for event in await tk.events()}
        await tk.assert_books_balance()
    await bedrock.stop()

    assert charged == sum(each["charge"]["microcredits"] for each in receipts.values())
    assert receipts["chat"] == same
    burned = [{each["grant"] for each in receipt["burned"]} for receipt in receipts.values()]
    assert 1 == sum(len(grants) == 2 for grants in burned)
    for name, receipt in receipts.items():
        event = events[ids[name]]
        assert (event["held_ucr"], event["rate_version"]) == (
            receipt["hold"]["microcredits"],
            receipt["rate_version"],
        )
