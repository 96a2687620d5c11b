"""Reading the usage that OpenAI's Realtime API reports, of responses and of transcriptions.

`response.done`, in `response.usage`:

| vendor field | our class | |
|---|---|---|
| input_tokens | input_uncached | what is left of it after the parts below |
| input_token_details.audio_tokens | input_audio | inside input_tokens; less its cached part |
| input_token_details.image_tokens | input_image | inside input_tokens; less its cached part |
| input_token_details.cached_tokens | input_cache_read | inside input_tokens, of whatever kind |
| input_token_details.cached_tokens_details.* | input_cache_read | whose part is the cached one |
| output_tokens | output_text | what is left of it after the part below |
| output_token_details.audio_tokens | output_audio | inside output_tokens |

`conversation.item.input_audio_transcription.completed`, in `usage`, at the price of the
transcribing model:

| vendor field | our class | |
|---|---|---|
| input_tokens (type `tokens`) | input_uncached | what is left of it after the part below |
| input_token_details.audio_tokens | input_audio | inside input_tokens |
| output_tokens | output_text | |
| seconds (type `duration`) | piece audio_second | rounded up |

Named and ignored: `total_tokens` (a sum) and `text_tokens` (the rest of one). Sources: OpenAI API
reference, "Realtime server events", and the openai package 3.57.0 (read 2026-11-26).
"""

import math
from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# A session ends after an hour and a context has some 100 000 tokens: beyond it is a defect.
TOKENS_MAX = 1_000_000_000
SECONDS_MAX = 86_400

_KINDS: Known = {"audio_tokens": None, "image_tokens": None, "text_tokens": None}
KNOWN_RESPONSE: Known = {
    "input_tokens": None,
    "output_tokens": None,
    "total_tokens": None,
    "input_token_details": {**_KINDS, "cached_tokens": None, "cached_tokens_details": _KINDS},
    "output_token_details": {"audio_tokens": None, "text_tokens": None},
}
KNOWN_TRANSCRIPTION: Known = {
    "input_tokens": None,
    "output_tokens": None,
    "total_tokens": None,
    "seconds": None,
    "input_token_details": {"audio_tokens": None, "text_tokens": None},
}


def read_response_usage(reported: object) -> Reported | None:
    """None unless all of it is believable: no part negative or larger than its whole."""
    if not isinstance(reported, dict):
        return None
    heard = _inner(reported, "input_token_details")
    cached_kinds = _inner(heard, "cached_tokens_details")
    total_in, total_out = _count(reported, "input_tokens"), _count(reported, "output_tokens")
    audio, image = _part(heard, "audio_tokens"), _part(heard, "image_tokens")
    cached = _part(heard, "cached_tokens")
    spoken = _part(_inner(reported, "output_token_details"), "audio_tokens")
    cached_audio = min(_part(cached_kinds, "audio_tokens"), audio)
    cached_image = min(_part(cached_kinds, "image_tokens"), image)
    if total_in is None or total_out is None or spoken > total_out or audio + image > total_in:
        return None
    text = total_in - audio - image
    # What no detail assigns is text first: the dearer classes keep what may be theirs.
    cached_text = min(max(0, cached - cached_audio - cached_image), text)
    usage = Usage(
        input_uncached=text - cached_text,
        input_cache_read=cached_text + cached_audio + cached_image,
        input_audio=audio - cached_audio,
        input_image=image - cached_image,
        output_text=total_out - spoken,
        output_audio=spoken,
    )
    return Reported(usage, unmapped(reported, KNOWN_RESPONSE))


def read_transcription_usage(reported: object) -> Reported | None:
    """None unless it states tokens or seconds believably."""
    if not isinstance(reported, dict):
        return None
    rest = unmapped(reported, KNOWN_TRANSCRIPTION)
    seconds = reported.get("seconds")
    if type(seconds) is int or type(seconds) is float:
        if not 0 <= seconds <= SECONDS_MAX:
            return None
        return Reported(Usage(pieces=(("audio_second", math.ceil(seconds)),)), rest)
    total_in, total_out = _count(reported, "input_tokens"), _count(reported, "output_tokens")
    audio = _part(_inner(reported, "input_token_details"), "audio_tokens")
    if total_in is None or total_out is None or audio > total_in:
        return None
    usage = Usage(input_uncached=total_in - audio, input_audio=audio, output_text=total_out)
    return Reported(usage, rest)


def _inner(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    inner = values.get(name)
    return inner if isinstance(inner, dict) else {}


def _count(values: Mapping[str, object], name: str) -> int | None:
    """By type, not isinstance: true is no token."""
    tokens = values.get(name)
    return tokens if type(tokens) is int and 0 <= tokens <= TOKENS_MAX else None


def _part(values: Mapping[str, object], name: str) -> int:
    return _count(values, name) or 0
