"""What an image in a prompt costs at Anthropic.

An image is read in patches of 28 x 28 px, a token each; one whose long edge or number of patches
is above what its model reads is scaled down first. Models from Claude Opus 4.7 on read a higher
resolution. What cannot be known counts as its maximum: an unknown size or model. For a scaled
image the count may be up to a row of patches too high.

Sources (read 2026-11-23): Anthropic guide "Images and vision" (limits per model; the older
guide's width x height / 750 is the same within 5 %); figures measured with its token counter.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.metering.call import ImageInput

PATCH_PX = 28


@dataclass(frozen=True, slots=True)
class Resolution:
    edge_px: int
    tokens: int


STANDARD = Resolution(edge_px=1_568, tokens=1_568)
HIGH = Resolution(edge_px=2_576, tokens=4_784)

# All others read the high resolution.
STANDARD_MODELS = (
    "claude-2*",
    "claude-3*",
    "claude-instant*",
    "claude-haiku-4*",
    "claude-sonnet-4*",
    "claude-opus-4",
    "claude-opus-4-[0-6]*",
    "claude-opus-4-2025*",
    "claude-opus-4@*",
)


def image_tokens(model: str, image: ImageInput) -> int:
    """`model` may carry a prefix (`anthropic.claude-...`, `anthropic/claude-...`)."""
    name = model[max(0, model.find("claude-")) :]
    standard = any(fnmatchcase(name, match) for match in STANDARD_MODELS)
    limit = STANDARD if standard else HIGH
    if not image.width or not image.height:
        return limit.tokens
    edge = max(image.width, image.height, limit.edge_px)
    return min(
        limit.tokens,
        _patches(image.width, limit.edge_px, edge) * _patches(image.height, limit.edge_px, edge),
    )


def _patches(side: int, to: int, over: int) -> int:
    """Patches along a side that is scaled by to / over."""
    return -(-side * to // (over * PATCH_PX))
