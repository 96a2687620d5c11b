"""The vocabularies we carry: `o200k_base` and `cl100k_base`, loaded without a network.

tiktoken is the encoder, but its wheel has no vocabulary and its loader fetches one, so its own
registry is never asked. The files beside this module are OpenAI's tables in a smaller form
(`pack.py`): the number of tokens, one length byte for each, then all token bytes in rank order,
deflated. Expressions, special tokens and the SHA-256 of each table's official text form are
those of tiktoken 0.14.0, `tiktoken_ext/openai_public.py` (MIT, see `data/LICENSE.txt`).

A load checks the SHA-256 of the inflated file, about 1 ms. That the same bytes are OpenAI's table
is proved where it may cost its 150 ms, by `pack.py` when they are written and by a test each time:
both rebuild the official text form and compare it with tiktoken's pin.

Knows nothing of models: which of them uses which vocabulary is `counter.py`'s business.
"""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

import tiktoken

from gateway.errors import GatewayError
from gateway.tokens.boundaries import pieces

DATA = Path(__file__).parent / "data"
COUNT_BYTES = 4
# tiktoken panics on some texts between half a million and a million characters, and one piece
# must not keep a thread for long: 25 ms for the worst text of this size.
PIECE_CHARS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One published encoding. `text_sha256` is tiktoken's pin, `packed_sha256` that of our file
    once inflated."""

    pattern: str
    special_tokens: dict[str, int]
    text_sha256: str
    packed_sha256: str


SOURCES = {
    "o200k_base": Source(
        pattern=(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
            r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        special_tokens={"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018},
        text_sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        packed_sha256="2f451f31d7403017d0b0dc6319ded23a09f33f573b1635c001fc6b91a1c21302",
    ),
    "cl100k_base": Source(
        pattern=(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
        ),
        special_tokens={
            "<|endoftext|>": 100_257,
            "<|fim_prefix|>": 100_258,
            "<|fim_middle|>": 100_259,
            "<|fim_suffix|>": 100_260,
            "<|endofprompt|>": 100_276,
        },
        text_sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        packed_sha256="9ef8402c916638b4e5896df1b798958e6377ae5ee9ecce199388d117f2a44973",
    ),
}


class VocabularyError(GatewayError):
    """A vocabulary file is not the one this version was built with; the installation is broken."""

    code = "damaged_vocabulary"


class Vocabulary:
    """Counts text with one encoding. Safe to use from several threads; encoding frees the GIL."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self.name = encoding.name
        self._encode = encoding.encode_ordinary

    def count(self, text: str) -> int:
        """Tokens of `text`, in time linear in its length; what spells a special token is text."""
        if len(text) <= PIECE_CHARS_MAX:
            return self._count_piece(text)
        return sum(map(self._count_piece, pieces(text, chars_max=PIECE_CHARS_MAX)))

    def _count_piece(self, text: str) -> int:
        try:
            return len(self._encode(text))
        except ValueError:
            return _bound(text)
        except BaseException as failure:
            # A panic in the encoder is a BaseException of a type that cannot be imported.
            if type(failure).__name__ != "PanicException":
                raise
            return _bound(text)


def _bound(text: str) -> int:
    """A token is at least one byte."""
    return len(text.encode("utf-8", "surrogatepass"))


@cache
def vocabulary(name: str) -> Vocabulary:
    """Load once per process, 0.2 to 0.4 s of CPU: call it before forking, then pages are shared.

    Raises KeyError for an encoding we do not carry, VocabularyError for a damaged file.
    """
    source = SOURCES[name]
    tokens = unpack((DATA / f"{name}.bin").read_bytes(), expected_sha256=source.packed_sha256)
    return Vocabulary(
        tiktoken.Encoding(
            name=name,
            pat_str=source.pattern,
            mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
            special_tokens=source.special_tokens,
        )
    )


def unpack(packed: bytes, *, expected_sha256: str) -> list[bytes]:
    """All tokens in rank order."""
    try:
        table = zlib.decompress(packed)
    except zlib.error as error:
        raise VocabularyError("a vocabulary file cannot be inflated") from error
    if hashlib.sha256(table).hexdigest() != expected_sha256:
        raise VocabularyError("a vocabulary file has another SHA-256 than this version expects")
    first = COUNT_BYTES + int.from_bytes(table[:COUNT_BYTES])
    bounds = accumulate(table[COUNT_BYTES:first], initial=first)
    return [table[start:end] for start, end in pairwise(bounds)]
