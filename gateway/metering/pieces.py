"""The closed lists: what is sold by the piece, and the service tiers that change a token's price.

A piece's name starts with one of `PIECES` and may go on, dotted, to the particular kind:
`image.hd.1024x1792`. The rate card prices the particular or the general.
"""

import re
from collections.abc import Mapping

PIECES: Mapping[str, str] = {
    "audio_second": "a second of sound, heard or spoken",
    "cached_token_hour": "a token kept in a cache for an hour",
    "character": "a character spoken",
    "code_interpreter": "a container session of the code interpreter",
    "computer_use": "a step of a hosted computer",
    "container": "a container made",
    "embedding_image": "a picture embedded",
    "file_search": "a search in stored files",
    "grounding": "a prompt answered on the ground of searches, however many",
    "grounding_query": "a search for such an answer",
    "image": "a picture made; image.<quality>.<size>",
    "maps": "a look-up in maps",
    "page": "a page read by OCR",
    "request": "a request",
    "search_unit": "a reranking of up to a hundred documents",
    "trained_token": "a token trained on",
    "url_context": "a page fetched",
    "video_second": "a second of film made; video_second.<size>",
    "web_search": "a search in the web",
    "web_search_preview": "a search in the web with the preview tool",
}

# Tools of a model that works in tokens: who sells these alone has not priced the call.
BESIDE_TOKENS = frozenset(
    {
        "cached_token_hour",
        "code_interpreter",
        "computer_use",
        "file_search",
        "grounding",
        "grounding_query",
        "maps",
        "url_context",
        "web_search",
        "web_search_preview",
    }
)

# Not dearer than the ordinary tier: without a price of their own they cost as much.
CHEAPER_TIERS = frozenset({"batch", "flex"})
# `us`: served from there only, at a surcharge.
SERVICE_TIERS = frozenset(
    {*CHEAPER_TIERS, "fast", "performance", "priority", "scale", "ultrafast", "us"}
)
# A call may be served in several at once: `fast+us`. Each multiplies the price.
TIER_JOIN = "+"

_NAME = re.compile(r"[a-z_]+(\.[A-Za-z0-9_:-]+){0,4}")


def piece_kind(name: str) -> str:
    """The member of `PIECES` that a piece is one of."""
    return name.partition(".")[0]


def valid_piece(name: str) -> bool:
    return piece_kind(name) in PIECES and _NAME.fullmatch(name) is not None


def is_kind_of(particular: str, general: str) -> bool:
    """Whether a price for `general` covers `particular`."""
    return particular == general or particular.startswith(f"{general}.")
