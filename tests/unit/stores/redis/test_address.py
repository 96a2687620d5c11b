"""Store URLs, taken apart."""

import ssl

import pytest

from gateway.errors import ConfigError
from gateway.stores.redis.address import parse_address


def test_a_plain_url_names_host_port_and_database() -> None:
    address = parse_address("redis://store.internal:6380/3")

    assert ("store.internal", 6380, 3, None) == (
        address.host,
        address.port,
        address.db,
        address.tls,
    )


def test_credentials_are_unquoted_and_never_shown() -> None:
    address = parse_address("redis://gate:p%40ss@store")

    assert ("gate", "p@ss") == (address.username, address.password)
    assert "p@ss" not in repr(address)


def test_a_unix_socket_has_a_path() -> None:
    address = parse_address("unix:///run/store.sock?db=2")

    assert ("/run/store.sock", 2) == (address.path, address.db)


def test_tls_is_verified_unless_told_otherwise() -> None:
    strict = parse_address("rediss://store").tls
    lax = parse_address("rediss://store?ssl_cert_reqs=none").tls

    assert strict is not None
    assert lax is not None
    assert (ssl.CERT_REQUIRED, True) == (strict.verify_mode, strict.check_hostname)
    assert (ssl.CERT_NONE, False) == (lax.verify_mode, lax.check_hostname)


@pytest.mark.parametrize("url", ["http://secret@store", "store:6379", "redis://store:port"])
def test_a_wrong_url_is_not_quoted_in_its_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(url)

    assert "secret" not in str(caught.value)
