"""Gemini's cached contents: prompts that are kept, by the hour.

| request | charged |
|---|---|
| `POST …/cachedContents` | its tokens once, as input, and keeping them for the time asked for |
| `PATCH …/cachedContents/{id}` | keeping them from now on until the new end |

The piece `cached_token_hour` is a token kept for an hour: tokens times seconds, divided by 3 600
and rounded up. The time is what the answer says (`expireTime` less `createTime` or `updateTime`).
It is charged ahead: what is deleted before is not refunded, and what a PATCH adds is charged from
its own moment on, whatever was paid for before. A PATCH names no model: it has the line
`cached_token_hour` of the rate card, and without one is refused.

Later calls that read from a cache are charged by their own usage (`cachedContentTokenCount`).
Sources (read 2026-11-26): Gemini API reference, "Caching"; the guide "Context caching", "How
explicit caching reduces costs"; google-genai package 3.6.1, CachedContentUsageMetadata.
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.gemini_call import check_query, media_of
from gateway.dialects.gemini_fields import refuse_two_spellings, single_keys, text, value
from gateway.dialects.gemini_media import image_tokens
from gateway.dialects.gemini_path import bare_model
from gateway.dialects.gemini_prompt import prompt_bound_tokens, prompt_parts
from gateway.dialects.gemini_times import epoch_s, seconds_of
from gateway.dialects.json_body import model_name, read_object
from gateway.dialects.json_scan import member, replaced
from gateway.dialects.passing import Passing
from gateway.dialects.story_readers import JsonReader
from gateway.dialects.told import Told
from gateway.dialects.unmapped import Known, unmapped
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.usage import Pieces, Usage

# What keeps a cache longer has the line of that name.
PIECE = "cached_token_hour"
HOUR_S = 3_600
# How long a cache lives that asks for nothing.
DEFAULT_S = 3_600.0
# Nothing larger fits into any model's context.
TOKENS_MAX = 2_097_152
# A hundred years: beyond it is a defect, not a cache.
SECONDS_MAX = 100 * 366 * 24 * 3_600

SINGLE = ("model", "contents", "systemInstruction", "tools", "ttl", "expireTime")
_SINGLE_KEYS = single_keys(SINGLE, {})

KNOWN: Known = dict.fromkeys(
    (
        "totalTokenCount",
        # What the tokens were before: Vertex tells it beside.
        "textCount",
        "imageCount",
        "videoDurationSeconds",
        "audioDurationSeconds",
    )
)


class GeminiCache:
    """Implements `Dialect`."""

    name = "gemini_cache"

    def read_call(self, request: Request) -> Call:
        check_query(request.query)
        document = read_object(request.body, _SINGLE_KEYS)
        refuse_two_spellings(document, SINGLE)
        seconds = _asked_s(document, now_ms=request.now_ms)
        if not _creates(request):
            most = _kept(TOKENS_MAX, seconds)
            return Call(
                model=PIECE,
                unrouted=True,
                max_output_tokens=0,
                owed=most,
                terms=Terms(pieces=most),
                counts_tokens=False,
            )
        model = bare_model(model_name(document))
        media = media_of(document, {}, model=model)
        bound = len(request.body) - media.data_chars + media.audio_tokens + media.film_tokens
        bound += sum(image_tokens(model, image) for image in media.images)
        most = _kept(TOKENS_MAX if media.opaque else min(bound, TOKENS_MAX), seconds)
        return Call(
            model=model,
            max_output_tokens=0,
            text_bytes=len(request.body) - media.data_chars,
            images=tuple(media.images),
            audio_tokens=media.audio_tokens + media.film_tokens,
            opaque_inputs=media.opaque,
            owed=most,
            terms=Terms(media=media.some, pieces=most),
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        return prompt_parts(call) if call.counts_tokens else PromptParts(texts=())

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return prompt_bound_tokens(call, context_tokens=context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model == call.model or call.unrouted:
            return Prepared(request.body)
        named = text(call.document, "model")
        model = named[: len(named) - len(call.model)] + upstream_model
        return Prepared(replaced(request.body, member(request.body, "model"), orjson.dumps(model)))

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        def tell(document: object) -> Told:
            return Told(read_kept(document, created=not call.unrouted))

        return JsonReader(tell, in_words=False)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def read_kept(cached: object, *, created: bool) -> Reported | None:
    """What an answer says is kept, and for how long; None when it does not say it believably."""
    usage = cached.get("usageMetadata") if isinstance(cached, dict) else None
    if not isinstance(cached, dict) or not isinstance(usage, dict):
        return None
    tokens = usage.get("totalTokenCount")
    begins = epoch_s(cached.get("createTime" if created else "updateTime"))
    ends = epoch_s(cached.get("expireTime"))
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 < tokens <= TOKENS_MAX or begins is None or ends is None:
        return None
    pieces = _kept(tokens, min(max(0.0, ends - begins), SECONDS_MAX))
    read = Usage(input_uncached=tokens if created else 0, pieces=pieces)
    return Reported(read, unmapped(usage, KNOWN))


def _creates(request: Request) -> bool:
    return request.path.endswith("/cachedContents")


def _asked_s(document: Mapping[str, object], *, now_ms: int) -> float:
    """How long it is to be kept from now on."""
    ttl, expires = value(document, "ttl"), value(document, "expireTime")
    if ttl is None and expires is None:
        return DEFAULT_S
    if ttl is not None:
        name, seconds = "ttl", seconds_of(ttl)
    else:
        moment = epoch_s(expires)
        name, seconds = "expireTime", None if moment is None else moment - now_ms / 1000
    if seconds is None:
        form = 'a duration such as "3600s"' if name == "ttl" else "a moment with its time zone"
        raise BadCall(f"{name} must be {form}.", details={"param": name})
    return min(max(0.0, seconds), SECONDS_MAX)


def _kept(tokens: int, seconds: float) -> Pieces:
    return ((PIECE, -int(-tokens * seconds // HOUR_S)),)
