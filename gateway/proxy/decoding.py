"""Undoing an answer's Content-Encoding on the meter's copy; the client's bytes stay as they are.

Output is bounded per piece of input: a decompression bomb costs its sender, not us.
"""

import zlib
from collections.abc import Callable
from functools import lru_cache

import brotli

# Text compresses about tenfold; a thousandfold is an attack on the meter.
EXPANSION_MAX = 1_000
PIECE_BYTES_MIN = 262_144
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


READABLE = frozenset({"", "identity", "gzip", "x-gzip", "deflate", "br"})


@lru_cache(maxsize=256)
def all_readable(accept_encoding: str) -> bool:
    """Every coding the caller would accept is one that `decoder` can undo."""
    return all(
        coding.partition(";")[0].strip().lower() in READABLE
        for coding in accept_encoding.split(",")
    )


def decoder(encoding: str) -> Callable[[bytes], bytes] | None:
    """A stateful function from encoded to decoded pieces; None where nothing is to be undone.

    The function raises ValueError for what it cannot read: the answer is then relayed all the
    same, and its usage is unknown.
    """
    match encoding:
        case "":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _inflating()
        case "br":
            return _brotli()
        case _:
            return _unreadable


def _inflating() -> Callable[[bytes], bytes]:
    inflate = zlib.decompressobj(GZIP_OR_ZLIB)

    def decode(data: bytes) -> bytes:
        try:
            text = inflate.decompress(data, _bound(data))
        except zlib.error as error:
            raise ValueError("not the compressed data it claims to be") from error
        if inflate.unconsumed_tail:
            raise ValueError("expands beyond reason")
        return text

    return decode


def _brotli() -> Callable[[bytes], bytes]:
    unpack = brotli.Decompressor()

    def decode(data: bytes) -> bytes:
        try:
            text = unpack.process(data, output_buffer_limit=_bound(data))
        except brotli.error as error:
            raise ValueError("not the compressed data it claims to be") from error
        if not unpack.can_accept_more_data():
            raise ValueError("expands beyond reason")
        return bytes(text)

    return decode


def _unreadable(_data: bytes) -> bytes:
    raise ValueError("an encoding this gateway cannot read")


def _bound(data: bytes) -> int:
    return max(PIECE_BYTES_MIN, EXPANSION_MAX * len(data))
