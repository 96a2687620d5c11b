"""Ways to cut bytes: a parser must tell the same story for all of them."""

from collections.abc import Iterator


def cuts(data: bytes, *, positions: int | None = None) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and once at each position (or at so many, evenly spread)."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    step = 1 if positions is None else max(1, len(data) // positions)
    for at in range(1, len(data), step):
        yield [data[:at], data[at:]]
