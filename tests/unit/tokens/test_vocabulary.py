"""The vocabularies are OpenAI's, whole and undamaged, and count whatever a caller sends."""

import hashlib
import socket
import zlib

import pytest
from tiktoken_ext import openai_public

from gateway.tokens.pack import text_form
from gateway.tokens.vocabulary import (
    COUNT_BYTES,
    DATA,
    PIECE_CHARS_MAX,
    SOURCES,
    Vocabulary,
    VocabularyError,
    unpack,
    vocabulary,
)

NAMES = tuple(SOURCES)


@pytest.mark.parametrize("name", NAMES)
def test_unpacked_tokens_rebuild_the_file_that_tiktoken_pins(name):
    source = SOURCES[name]
    tokens = unpack((DATA / f"{name}.bin").read_bytes(), expected_sha256=source.packed_sha256)

    assert source.text_sha256 == hashlib.sha256(text_form(tokens)).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_expression_special_tokens_and_pin_are_those_of_tiktoken(name, monkeypatch):
    pins = []

    def no_fetching(_url, expected_hash):
        pins.append(expected_hash)
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", no_fetching)
    published = openai_public.ENCODING_CONSTRUCTORS[name]()

    assert published["pat_str"] == SOURCES[name].pattern
    assert published["special_tokens"] == SOURCES[name].special_tokens
    assert pins == [SOURCES[name].text_sha256]


def test_loading_opens_no_socket(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a vocabulary was fetched")

    monkeypatch.setattr(socket, "socket", refuse)

    assert vocabulary.__wrapped__("cl100k_base").count("tiktoken is great!") == 6


def test_a_flipped_bit_is_noticed():
    source = SOURCES["cl100k_base"]
    table = bytearray(zlib.decompress((DATA / "cl100k_base.bin").read_bytes()))
    table[-1] ^= 1

    with pytest.raises(VocabularyError, match="SHA-256"):
        unpack(zlib.compress(table, level=1), expected_sha256=source.packed_sha256)


def test_a_truncated_file_is_noticed():
    packed = (DATA / "cl100k_base.bin").read_bytes()

    with pytest.raises(VocabularyError, match="inflated"):
        unpack(packed[:1000], expected_sha256=SOURCES["cl100k_base"].packed_sha256)


def test_an_unknown_encoding_is_an_error_not_a_guess():
    with pytest.raises(KeyError, match="p50k_base"):
        vocabulary("p50k_base")


@pytest.mark.parametrize("name", NAMES)
def test_the_count_of_tokens_precedes_them(name):
    table = zlib.decompress((DATA / f"{name}.bin").read_bytes())
    tokens = unpack(
        (DATA / f"{name}.bin").read_bytes(), expected_sha256=SOURCES[name].packed_sha256
    )

    assert len(tokens) == int.from_bytes(table[:COUNT_BYTES])


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        # The ids of these are published in tiktoken's README and our dependency notes.
        ("cl100k_base", "tiktoken is great!", 6),
        ("o200k_base", "hello world", 2),
        ("o200k_base", "", 0),
        # What spells a special token is ordinary text here.
        ("o200k_base", "<|endoftext|>", 7),
        # A lone surrogate, as JSON may carry it, becomes the replacement character.
        ("o200k_base", "a\ud800b", 3),
        ("cl100k_base", "a\ud800b", 3),
    ],
)
def test_known_texts_have_their_known_counts(name, text, tokens):
    assert tokens == vocabulary(name).count(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [" ", "\u00a0"])
def test_a_million_characters_without_a_boundary_are_counted(name, unit):
    """tiktoken panics on a million spaces; cut into pieces, no text reaches that size."""
    text = unit * (1_000_000 // len(unit))

    assert 0 < vocabulary(name).count(text) <= len(text.encode())


def test_long_text_counts_as_its_pieces_do():
    sentence = "The quick brown fox jumps over 13 lazy dogs; it isn't amused. "
    counted = vocabulary("o200k_base")
    text = sentence * (2 * PIECE_CHARS_MAX // len(sentence))

    # One encode of the whole is what the pieces must add up to.
    assert len(counted._encode(text)) == counted.count(text)


class _Encoding:
    """An encoding whose encoder fails in a given way."""

    name = "broken"

    def __init__(self, failure):
        self._failure = failure

    def encode_ordinary(self, _text):
        raise self._failure


class PanicException(BaseException):
    """As the encoder raises it: not an Exception, and of a type that cannot be imported."""


@pytest.mark.parametrize("failure", [PanicException("boom"), ValueError("too long")])
def test_an_encoder_that_fails_leaves_the_byte_length_as_a_bound(failure):
    assert len("naïve".encode()) == Vocabulary(_Encoding(failure)).count("naïve")


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), MemoryError()])
def test_what_is_not_the_encoders_failure_travels_on(failure):
    with pytest.raises(type(failure)):
        Vocabulary(_Encoding(failure)).count("text")
