"""Packing refuses every file but the published one."""

import hashlib
import zlib
from base64 import b64encode

import pytest

from gateway.tokens import pack as pack_module
from gateway.tokens.pack import main, pack, text_form
from gateway.tokens.vocabulary import DATA, SOURCES, VocabularyError, unpack

TOKENS = [b"a", b"bc", b"\xff\n"]


def test_a_packed_table_unpacks_to_the_same_tokens():
    text = text_form(TOKENS)
    table = pack(text, expected_sha256=hashlib.sha256(text).hexdigest())
    digest = hashlib.sha256(table).hexdigest()

    assert TOKENS == unpack(zlib.compress(table), expected_sha256=digest)


def test_a_file_that_is_not_pinned_is_refused():
    with pytest.raises(VocabularyError, match="SHA-256 differs"):
        pack(text_form(TOKENS), expected_sha256="0" * 64)


def test_ranks_that_are_not_line_numbers_are_refused():
    text = b"%b 5\n" % b64encode(b"a")

    with pytest.raises(VocabularyError, match="line numbers"):
        pack(text, expected_sha256=hashlib.sha256(text).hexdigest())


def test_packing_the_published_file_gives_the_file_we_carry(tmp_path, monkeypatch):
    name, source = "cl100k_base", SOURCES["cl100k_base"]
    ours = unpack((DATA / f"{name}.bin").read_bytes(), expected_sha256=source.packed_sha256)
    (tmp_path / f"{name}.tiktoken").write_bytes(text_form(ours))
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setattr(pack_module, "DATA", made)
    monkeypatch.setattr(pack_module, "SOURCES", {name: source})

    main(tmp_path)

    # Compared unpacked: another zlib may deflate the same table differently.
    theirs = unpack((made / f"{name}.bin").read_bytes(), expected_sha256=source.packed_sha256)
    assert ours == theirs
