"""What Bedrock itself counts of a streamed answer, beside the vendor's own `usage`.

The last event has `amazon-bedrock-invocationMetrics`:

| vendor field | our class | |
|---|---|---|
| inputTokenCount | input_uncached | all of it: what is cached stands beside |
| cacheReadInputTokenCount | input_cache_read | beside inputTokenCount |
| cacheWriteInputTokenCount | input_cache_write_5m | beside; its lifetime is not told |
| outputTokenCount | output_text | thinking included |

Named and ignored: `invocationLatency`, `firstByteLatency` (milliseconds). The same numbers stand in
the headers `x-amzn-bedrock-input-token-count` and `-output-token-count` of an answer that is not
streamed; its body has the vendor's usage, which says more.

Source: Amazon Bedrock user guide, "Anthropic Claude Messages API", and streams as they are recorded
in public (read 2026-11-26).
"""

from collections.abc import Mapping

from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.base import Reported

METRICS = "amazon-bedrock-invocationMetrics"

# The names of the same numbers in Anthropic's usage.
_NAMES: Mapping[str, str] = {
    "inputTokenCount": "input_tokens",
    "cacheReadInputTokenCount": "cache_read_input_tokens",
    "cacheWriteInputTokenCount": "cache_creation_input_tokens",
    "outputTokenCount": "output_tokens",
}
_IGNORED = frozenset({"invocationLatency", "firstByteLatency"})


def read_metrics(metrics: object) -> Reported | None:
    """The tokens by class, or None when they are not stated believably."""
    if not isinstance(metrics, dict):
        return None
    return read_usage(
        {_NAMES.get(name, name): value for name, value in metrics.items() if name not in _IGNORED}
    )
