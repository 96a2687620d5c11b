"""Where webhooks may go."""

import ipaddress

import pytest

from gateway.sinks.addresses import GuardedResolver, permitted, permitted_literal

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address that must not be reached
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address):
    assert not permitted(address, ())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_what_is_public_is_permitted(address):
    assert permitted(address, ())


def test_a_network_that_is_named_is_permitted_and_no_other():
    allow = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))

    assert permitted("10.1.2.3", allow)
    assert permitted("::ffff:10.1.2.3", allow)
    assert permitted("fd00::1", allow)
    assert not permitted("192.168.0.1", allow)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://[::1]:8443/x", "http://[fd00::1]"])
def test_an_address_in_the_url_is_judged_as_well(url):
    assert not permitted_literal(url, ())


def test_a_name_in_the_url_is_for_the_resolver():
    assert permitted_literal("https://hooks.example/x", ())


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f000001", "2130706433"])
async def test_a_name_that_leads_inside_is_not_found(name):
    resolver = GuardedResolver(())

    with pytest.raises(OSError, match="no address that webhooks may go to"):
        await resolver.resolve(name, 80)
    await resolver.close()


async def test_a_name_that_leads_to_an_allowed_network_is_resolved():
    resolver = GuardedResolver((ipaddress.ip_network("127.0.0.0/8"),))

    found = await resolver.resolve("localhost", 80)

    assert {"127.0.0.1"} == {each["host"] for each in found}
    await resolver.close()
