"""What a reader says of an answer, whole or in pieces, for comparing."""

from typing import Any

from gateway.dialects.base import AnswerReader
from gateway.dialects.jobs import StatusReader
from gateway.metering.jobs import Told


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


def jobs_told(reader: StatusReader, pieces: list[bytes]) -> dict[str, Any]:
    """Everything it says about jobs, by their ids."""
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return {
        job_id: {
            "phase": status.phase.value,
            "told": [told_of(told) for told in status.told],
            "results": list(status.results),
        }
        for job_id, status in reader.statuses.items()
    }


def told_of(told: Told) -> dict[str, Any]:
    """What is said, without what is not."""
    usage = None if told.usage is None else told.usage.nonzero()
    tier = "" if told.usage is None else told.usage.service_tier
    said = {
        "service_tier": tier,
        "model": told.model,
        "unmapped": dict(told.unmapped),
        "delivered": list(told.delivered or ()),
    }
    return {"usage": usage, "calls": told.calls} | {name: it for name, it in said.items() if it}
