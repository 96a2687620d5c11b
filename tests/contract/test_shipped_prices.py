"""The prices we ship sell what the formats read: each model in its own measure, none of it free."""

import shutil
from pathlib import Path

import orjson
import pytest
from support.gateways import SECRETS

from gateway.dialects import DIALECTS
from gateway.dialects.base import Request
from gateway.metering.call import Call
from gateway.metering.estimate import as_sold
from gateway.metering.pricing import RateCard
from gateway.settings import load
from gateway.simulator.media import wav

CONFIG = Path(__file__).parents[2] / "config"
VENDORS = ("openai", "cohere", "voyage", "groq")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> RateCard:
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(CONFIG / "prices", folder / "prices")
    shutil.copy(CONFIG / "plans.yaml", folder)
    files = [
        f"prices/{path.name}"
        for vendor in VENDORS
        for path in sorted((CONFIG / "prices").glob(f"{vendor}*-2026-11-26.yaml"))
    ]
    config = folder / "gateway.yaml"
    provider = {"base_url": "https://example.com", "credential": "env:TEST_CREDENTIAL"}
    document = {
        "store": {"pepper": "env:TEST_PEPPER", "url": "redis://localhost"},
        "providers": {"one": provider},
        "models": [{"match": "*", "provider": "one"}],
        "prices": files,
        "plans": {"free": {}},
    }
    config.write_bytes(orjson.dumps(document))
    return load(config, SECRETS).rate_card


def json_call(dialect: str, model: str, **fields: object) -> Call:
    body = orjson.dumps({"model": model} | fields)
    return DIALECTS[dialect].read_call(Request(body=body))


def transcription(model: str) -> Call:
    part = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    fields = part % (b"model", b"", model.encode())
    fields += part % (b"file", b'; filename="a.wav"', wav(3))
    request = Request(body=fields + b"--b--\r\n", content_type="multipart/form-data; boundary=b")
    return DIALECTS["openai_transcription"].read_call(request)


TOKENS = ()
SOLD = [
    (json_call("openai_embeddings", "text-embedding-3-small", input="a"), TOKENS),
    (json_call("openai_moderations", "omni-moderation-latest", input="a"), TOKENS),
    (json_call("openai_images", "gpt-image-1.5", prompt="a"), TOKENS),
    (json_call("openai_images", "gpt-image-2.5-sunburst", prompt="a"), TOKENS),
    (json_call("openai_speech", "tts-1", input="abc"), (("character", 3),)),
    (json_call("openai_speech", "gpt-4o-mini-tts", input="abc"), TOKENS),
    (transcription("whisper-1"), (("audio_second", 3),)),
    (transcription("gpt-transcribe"), (("audio_second", 3),)),
    (transcription("whisper-large-v3-turbo"), (("audio_second", 3),)),
    (transcription("gpt-4o-transcribe"), TOKENS),
    (json_call("openai_containers", "", memory_limit="16g"), (("container.16g", 1),)),
    (json_call("openai_vector_search", ""), (("file_search", 1),)),
    (json_call("rerank", "rerank-v3.5", query="q", documents=["d"]), (("search_unit", 1),)),
    (json_call("rerank", "rerank-2.5", query="q", documents=["d"]), TOKENS),
]


@pytest.mark.parametrize(("call", "pieces"), SOLD, ids=[call.model for call, _ in SOLD])
def test_a_model_is_sold_in_the_measure_its_vendor_bills(card, call, pieces):
    price = card.price(call.model, provider="one")
    sold = as_sold(call, price)

    assert pieces == sold.terms.pieces
    assert () == price.unpriced(sold.terms)
    assert price.charges_for(sold.terms)
    assert price.charges_tokens or pieces or "moderation" in call.model
