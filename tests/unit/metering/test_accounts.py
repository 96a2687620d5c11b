"""Keys: their form, their checksum, and the digest that is stored in their place."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.accounts import (
    ALPHABET,
    CHECKSUM_CHARS,
    KEY_ID_CHARS,
    SECRET_CHARS,
    VirtualKey,
    checksum,
    digest,
    format_key,
    well_formed,
)

KEY_ID = "0123456789ab"
SECRET = "S" * SECRET_CHARS
KEY = format_key(KEY_ID, SECRET)


def symbols(count):
    return st.text(ALPHABET, min_size=count, max_size=count)


@given(key_id=symbols(KEY_ID_CHARS), secret=symbols(SECRET_CHARS))
def test_a_formatted_key_is_well_formed(key_id, secret):
    key = format_key(key_id, secret)

    assert well_formed(key)
    assert key.startswith(f"tk_{key_id}_{secret}")
    assert len(key) == 3 + KEY_ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS


@given(at=st.integers(min_value=3, max_value=len(KEY) - 1), symbol=st.sampled_from(ALPHABET))
def test_any_one_mistyped_symbol_is_seen(at, symbol):
    mistyped = KEY[:at] + symbol + KEY[at + 1 :]

    assert well_formed(mistyped) is (mistyped == KEY)


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "tk_",
        "sk-proj-something",
        KEY[:-1],
        KEY + "x",
        KEY + "\n",
        " " + KEY,
        KEY.replace("tk_", "TK_"),
        KEY.replace("S", "ß", 1),
        KEY.replace("S", "\u0663", 1),
    ],
)
def test_what_is_no_key_is_not_looked_up(presented):
    assert not well_formed(presented)


def test_the_checksum_is_fixed_for_all_time():
    """Keys are in callers' hands: another checksum would refuse them all."""
    assert checksum(KEY_ID, SECRET) == "psYDKA"


@pytest.mark.parametrize("pepper", [b"", b"pepper", b"p" * 64, b"p" * 65, bytes(range(256))])
def test_the_digest_is_hmac_sha_256(pepper: bytes):
    assert hmac.digest(pepper, KEY.encode(), "sha256").hex() == digest(pepper, KEY)


def test_only_the_pepper_and_the_whole_key_give_the_digest():
    stored = digest(b"pepper", KEY)

    assert stored == digest(b"pepper", KEY)
    assert stored != digest(b"other", KEY)
    assert stored != digest(b"pepper", KEY[:-1])
    assert len(bytes.fromhex(stored)) == 32
    assert SECRET not in stored


def test_a_stored_key_does_not_carry_its_secret():
    record = VirtualKey(key_id=KEY_ID, account_id="a1", digest=digest(b"pepper", KEY))

    assert SECRET not in repr(record)
