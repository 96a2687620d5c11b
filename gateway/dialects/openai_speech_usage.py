"""Reading the `usage` of spoken answers, which only `stream_format: sse` reports.

| vendor field | our class | |
|---|---|---|
| input_tokens | input_uncached | all of it is text |
| output_tokens | output_audio | all of it is sound |

Named and ignored: `total_tokens` (a sum), `input_token_details.text_tokens` and
`output_token_details.audio_tokens` (all there is of the two). Any other number is reported as
unmapped. Source: OpenAI API reference, event `speech.audio.done` (read 2026-11-26).
"""

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# Days of speech: beyond it is a defect, not a usage.
TOKENS_MAX = 100_000_000

KNOWN: Known = {
    "input_tokens": None,
    "output_tokens": None,
    "total_tokens": None,
    "input_token_details": {"text_tokens": None},
    "output_token_details": {"audio_tokens": None},
}


def read_usage(reported: object) -> Reported | None:
    """The tokens by class, or None when the object does not state them believably."""
    if not isinstance(reported, dict):
        return None
    told = [reported.get(name) for name in ("input_tokens", "output_tokens")]
    # By type, not isinstance: true is no token.
    counts = [count for count in told if type(count) is int and 0 <= count <= TOKENS_MAX]
    if len(counts) < len(told):
        return None
    read, spoken = counts
    return Reported(Usage(input_uncached=read, output_audio=spoken), unmapped(reported, KNOWN))
