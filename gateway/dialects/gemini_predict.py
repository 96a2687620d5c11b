"""Models that predict (`:predict`): Imagen, which is sold by the picture, and Vertex's older
embeddings of texts, by the token.

| in an instance | what is made | charged |
|---|---|---|
| `prompt` | `parameters.sampleCount` pictures | `image` for each that is delivered |
| `content` | an embedding of that text | as input: `embeddings.statistics.token_count` |

A picture held back by a filter has no bytes and is not billed. Anything else cannot be metered and
is refused. Sources (read 2026-11-26): Gemini API guide "Generate images using Imagen" and pricing;
Vertex AI reference, "Imagen API" and "Text embeddings API"; google-genai package 3.6.1.
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.gemini_call import check_query, path_model
from gateway.dialects.gemini_fields import objects, text, whole_number
from gateway.dialects.gemini_path import with_model
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.passing import Passing
from gateway.dialects.story_readers import JsonReader
from gateway.dialects.told import Told
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.usage import Usage

IMAGE = "image"
# What is made where nothing is said: the API's own default.
SAMPLES = 4
# Far more than the API makes (4, and 8 of the first version).
SAMPLES_MAX = 64
# A prediction with more tokens than any model reads is a defect.
TOKENS_MAX = 10_000_000

_SINGLE_KEYS = SingleKeys(("instances", "parameters"), {"parameters": ("sampleCount",)})


class GeminiPredict:
    """Implements `Dialect`."""

    name = "gemini_predict"

    def read_call(self, request: Request) -> Call:
        check_query(request.query)
        document = read_object(request.body, _SINGLE_KEYS)
        instances = objects(document.get("instances"))
        model = path_model(request)
        if instances and all("prompt" in each for each in instances):
            most = ((IMAGE, samples(document) * len(instances)),)
            return Call(
                model=model,
                max_output_tokens=0,
                owed=most,
                terms=Terms(pieces=most),
                counts_tokens=False,
                document=document,
            )
        if instances and all("content" in each for each in instances):
            return Call(
                model=model,
                max_output_tokens=0,
                prompts=len(instances),
                text_bytes=len(request.body),
                document=document,
            )
        raise BadCall(
            "instances must be objects that all have a prompt (pictures) or all have a content "
            "(embeddings); what else a model predicts cannot be metered.",
            details={"param": "instances"},
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        texts = [
            read
            for each in (_instances(call) if call.counts_tokens else ())
            for name in ("title", "content")
            if (read := text(each, name))
        ]
        return PromptParts(texts=texts)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes, call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        renamed = upstream_model != call.model
        path = with_model(request.path, upstream_model) if renamed else None
        return Prepared(request.body, path=path)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        read = _read_embedded if call.counts_tokens else _read_pictures

        def tell(document: object) -> Told:
            predictions = document.get("predictions") if isinstance(document, dict) else None
            return Told(read(predictions) if isinstance(predictions, list) else None)

        return JsonReader(tell, in_words=False)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def parameters_of(document: Mapping[str, object]) -> Mapping[str, object]:
    given = document.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise wrong("parameters", "an object", given)
    return given


def samples(document: Mapping[str, object], *, default: int = SAMPLES) -> int:
    # A model's own JSON, of one spelling.
    count = whole_number({"sampleCount": parameters_of(document).get("sampleCount")}, "sampleCount")
    if count is None:
        return default
    if not 1 <= count <= SAMPLES_MAX:
        raise BadCall(
            f"sampleCount must be from 1 to {SAMPLES_MAX}.", details={"param": "sampleCount"}
        )
    return count


def _instances(call: Call) -> Sequence[Mapping[str, object]]:
    return objects(call.document.get("instances"))


def _read_pictures(predictions: Sequence[object]) -> Reported:
    """In a bucket of the caller's or in the answer: either is delivered. None at all is told as
    well: zero is not nothing."""
    delivered = sum(
        bool(each.get("bytesBase64Encoded") or each.get("gcsUri")) for each in objects(predictions)
    )
    return Reported(Usage(pieces=((IMAGE, delivered),)))


def _read_embedded(predictions: Sequence[object]) -> Reported | None:
    total = 0
    for each in objects(predictions):
        embedding = each.get("embeddings")
        statistics = embedding.get("statistics") if isinstance(embedding, dict) else None
        tokens = statistics.get("token_count") if isinstance(statistics, dict) else None
        # They come as numbers with a fraction, which is zero.
        if not isinstance(tokens, int | float) or not 0 <= tokens <= TOKENS_MAX:
            return None
        total += int(tokens)
    return Reported(Usage(input_uncached=total)) if total else None
