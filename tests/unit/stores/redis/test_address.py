"""Store URLs, taken apart."""

import ssl

import pytest

from gateway.errors import ConfigError
from gateway.stores.redis.address import Form, parse_address, parse_place


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


def test_a_cluster_is_begun_with_any_of_its_nodes() -> None:
    place = parse_place("rediss+cluster://gate:p%40ss@one,two:7001,[::1]:7002?ssl_cert_reqs=none")

    assert Form.CLUSTER is place.form
    assert [("one", 6379), ("two", 7001), ("::1", 7002)] == [each.place for each in place.servers]
    assert {("gate", "p@ss")} == {(each.username, each.password) for each in place.servers}
    assert all(each.tls is not None for each in place.servers)


def test_a_master_is_named_by_its_sentinels() -> None:
    place = parse_place(
        "redis+sentinel://gate:one@first,second:26380/bill%20s/3"
        "?sentinel_username=guard&sentinel_password=t%40wo"
    )

    (master,) = place.servers
    assert (Form.SENTINEL, "bill s") == (place.form, place.service)
    assert ("gate", "one", 3) == (master.username, master.password, master.db)
    assert [("first", 26379), ("second", 26380)] == [each.place for each in place.sentinels]
    assert {("guard", "t@wo", 0)} == {
        (each.username, each.password, each.db) for each in place.sentinels
    }
    assert "sentinel_password" not in master.options


def test_a_server_of_the_same_store_is_entered_the_same_way() -> None:
    address = parse_address("redis://gate:secret@one").at("two", 7001)

    assert ("two", 7001, "gate", "secret") == (
        *address.place,
        address.username,
        address.password,
    )
    assert ("two", 7001) == (address.options["host"], address.options["port"])


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://:secret@",
        "redis+cluster://:secret@host/1",
        "redis+sentinel://:secret@host",
        "redis+magic://:secret@host",
        "unix+cluster://:secret@host",
        "redis+cluster://:secret@[::1",
    ],
)
def test_a_wrong_url_of_several_hosts_is_not_quoted_in_its_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_place(url)

    assert "secret" not in str(caught.value)
