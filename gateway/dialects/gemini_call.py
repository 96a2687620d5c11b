"""A generateContent request: what metering must know of it, and what is refused.

The model stands in the path, and so does whether the answer streams. Reads only the fields that
decide what a call may cost; all others are the provider's to judge. Sources (read 2026-11-26):
Gemini API reference, "Generating content"; Vertex AI reference, "GenerateContent"; Google APIs,
"Standard query parameters"; google-genai package 3.6.1.
"""

from collections.abc import Mapping

from gateway.dialects.base import Request
from gateway.dialects.gemini_fields import (
    objects,
    refuse_two_spellings,
    single_keys,
    text,
    value,
    whole_number,
)
from gateway.dialects.gemini_grounding import most_pieces
from gateway.dialects.gemini_media import resolution
from gateway.dialects.gemini_parts import Media, add_media, parts_of
from gateway.dialects.gemini_path import model_of, verb_of
from gateway.dialects.gemini_usage import service_tier
from gateway.dialects.json_body import MODEL_CHARS_MAX, read_object, wrong
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, Call, Terms, make_call

# Far more than the API takes (8).
CHOICES_MAX = 128
STREAM = "streamGenerateContent"

SINGLE = (
    "contents",
    "systemInstruction",
    "tools",
    "generationConfig",
    "cachedContent",
    "serviceTier",
)
SINGLE_IN_CONFIG = ("maxOutputTokens", "candidateCount", "responseModalities", "mediaResolution")
_SINGLE_KEYS = single_keys(SINGLE, {"generationConfig": SINGLE_IN_CONFIG})

# Tools by which the model reads what the request does not hold.
_READING_TOOLS = ("urlContext", "fileSearch", "retrieval")
# Models that make pictures or sound without being asked for other modalities.
_MEDIA_MODELS = ("image", "tts", "audio")

_TIER_HEADER = "X-Vertex-AI-LLM-Shared-Request-Type"
_FORMATS = ("json", "sse")
# Query parameters that make an answer unreadable here, leave its usage out, or say in another
# place what is to be done.
_REFUSED_PARAMETERS = frozenset(
    {"fields", "$fields", "callback", "$callback", "$httpmethod", "$httpheaders", "$req"}
)


def read_call(request: Request) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    check_query(request.query)
    document = read_object(request.body, _SINGLE_KEYS)
    refuse_two_spellings(document, SINGLE)
    config = config_of(document)
    refuse_two_spellings(config, SINGLE_IN_CONFIG)
    model = path_model(request)
    stream = verb_of(request.path) == STREAM
    media = media_of(document, config, model=model)
    return make_call(
        model=model,
        stream=stream,
        choices=_choices(config),
        max_output_tokens=_output_cap(config),
        # Every chunk tells the usage: there is none to hide.
        wants_usage=stream,
        text_bytes=len(request.body) - media.data_chars,
        images=tuple(media.images),
        audio_tokens=media.audio_tokens + media.film_tokens,
        opaque_inputs=media.opaque,
        terms=_terms(request, document, config, media=media),
        document=document,
    )


def check_query(query: Mapping[str, str]) -> None:
    """Refuses what would make the answer another than the one that is metered."""
    for name, given in query.items():
        asked = name.lower()
        if asked in _REFUSED_PARAMETERS:
            raise BadCall(
                f"The query parameter {asked} is not available: the answer has to be whole to be "
                "metered.",
                details={"param": asked},
            )
        if asked in ("alt", "$alt") and given.lower() not in _FORMATS:
            raise BadCall(f"{asked} must be json or sse.", details={"param": asked})


def path_model(request: Request) -> str:
    model = model_of(request.path)
    if not model or len(model) > MODEL_CHARS_MAX:
        raise BadCall(
            f"The model in the path must be 1 to {MODEL_CHARS_MAX} characters.",
            details={"param": "model"},
        )
    return model


def config_of(document: Mapping[str, object]) -> Mapping[str, object]:
    config = value(document, "generationConfig")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise wrong("generationConfig", "an object", config)
    return config


def _choices(config: Mapping[str, object]) -> int:
    choices = whole_number(config, "candidateCount")
    if choices is None:
        return 1
    if not 0 <= choices <= CHOICES_MAX:
        raise BadCall(
            f"candidateCount must be from 1 to {CHOICES_MAX}.", details={"param": "candidateCount"}
        )
    # Zero is how this format writes that nothing was set.
    return choices or 1


def _output_cap(config: Mapping[str, object]) -> int | None:
    """Thinking counts towards it."""
    cap = whole_number(config, "maxOutputTokens")
    if cap is not None and cap < 0:
        raise BadCall("maxOutputTokens must not be negative.", details={"param": "maxOutputTokens"})
    return cap or None


def media_of(document: Mapping[str, object], config: Mapping[str, object], *, model: str) -> Media:
    """What a request carries besides text, or makes the model read."""
    media = Media()
    detail = resolution(value(config, "mediaResolution"))
    for name in ("contents", "systemInstruction"):
        add_media(parts_of(value(document, name)), media, model=model, detail=detail)
    media.opaque += bool(text(document, "cachedContent"))
    media.opaque += sum(
        value(tool, name) is not None
        for tool in objects(value(document, "tools"))
        for name in _READING_TOOLS
    )
    return media


def _terms(
    request: Request,
    document: Mapping[str, object],
    config: Mapping[str, object],
    *,
    media: Media,
) -> Terms:
    # Vertex is asked for a tier in a header.
    tier = value(document, "serviceTier") or request.headers.get(_TIER_HEADER)
    terms = Terms(
        media=media.some or _makes_media(config, path_model(request)),
        pieces=most_pieces(document),
        service_tier=service_tier(tier),
    )
    return TEXT_ONLY if terms == TEXT_ONLY else terms


def _makes_media(config: Mapping[str, object], model: str) -> bool:
    modalities = value(config, "responseModalities")
    if isinstance(modalities, list) and modalities:
        return any(str(modality).upper() != "TEXT" for modality in modalities)
    return any(word in model for word in _MEDIA_MODELS)
