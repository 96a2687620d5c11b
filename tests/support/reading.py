"""What a reader says of an answer, whole or in pieces, for comparing."""

from typing import Any

from gateway.dialects.base import AnswerReader


def told(
    reader: AnswerReader, pieces: list[bytes], *, digest_at: frozenset[int] = frozenset()
) -> dict[str, Any]:
    """Everything `reader` says about an answer that arrived in these pieces; `digest_at`: after
    which of them it was asked to digest."""
    texts: dict[str, str] = {}

    def digest() -> None:
        for piece in reader.digest():
            texts[piece.stream] = texts.get(piece.stream, "") + piece.text

    for number, piece in enumerate(pieces):
        reader.feed(piece)
        assert reader.pending_bytes >= 0
        if number in digest_at:
            digest()
    reported = reader.close()
    digest()
    return {
        "usage": None if reported is None else reported.usage.nonzero(),
        "service_tier": "" if reported is None else reported.usage.service_tier,
        "unmapped": {} if reported is None else dict(reported.unmapped),
        "texts": texts,
        "extra": reader.extra.nonzero(),
    }
