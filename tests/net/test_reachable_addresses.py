"""Which addresses may be connected to."""

from __future__ import annotations

import ipaddress

import pytest

from b2b_idp.net.addresses import Allowed

NONE, PRIVATE = Allowed.parse(False), Allowed.parse(True)

LOOPBACK_OR_PRIVATE = ["127.0.0.1", "127.8.8.8", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1"]
NEVER = {
    "link-local, where clouds keep their metadata": "169.254.169.254",
    "link-local IPv6": "fe80::1",
    "multicast": "224.0.0.1",
    "multicast IPv6": "ff02::1",
    "unspecified": "0.0.0.0",
    "unspecified IPv6": "::",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "carrier NAT, which is not a private range": "100.100.100.200",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped link-local": "::ffff:169.254.169.254",
    "IPv4-mapped public": "::ffff:8.8.8.8",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of a public address": "64:ff9b::808:808",
    "6to4 of a private address": "2002:a00:1::",
    "IPv4-compatible loopback": "::127.0.0.1",
    "site-local": "fec0::1",
    "Teredo": "2001:0:1::1",
    "documentation": "2001:db8::1",
}


def permits(allowed, address, host="home.example"):
    return allowed.permits(host, ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111"])
def test_a_public_address_is_permitted_without_being_named(address):
    assert permits(NONE, address)


@pytest.mark.parametrize("address", LOOPBACK_OR_PRIVATE)
def test_loopback_and_private_ranges_need_the_setting(address):
    assert not permits(NONE, address)
    assert permits(PRIVATE, address)


@pytest.mark.parametrize("address", NEVER.values(), ids=NEVER)
def test_true_opens_nothing_beyond_loopback_and_private_ranges(address):
    assert not permits(PRIVATE, address)


def test_a_named_network_opens_only_itself():
    allowed = Allowed.parse(["10.1.0.0/16"])
    assert permits(allowed, "10.1.2.3")
    assert not permits(allowed, "10.2.0.1")


def test_a_named_host_may_be_private_whatever_the_case_of_its_name_but_never_link_local():
    allowed = Allowed.parse(["Keycloak.corp.example"])
    assert permits(allowed, "10.0.0.1", "keycloak.CORP.example.")
    assert not permits(allowed, "10.0.0.1", "other.corp.example")
    assert not permits(allowed, "169.254.169.254", "keycloak.corp.example")


def test_link_local_is_not_opened_by_naming_it_either():
    assert not permits(Allowed.parse(["169.254.0.0/16", "169.254.169.254"]), "169.254.169.254")


def test_a_named_nat64_prefix_leads_to_public_addresses_only():
    allowed = Allowed.parse(["64:ff9b::/96"])
    assert permits(allowed, "64:ff9b::808:808")
    assert not permits(allowed, "64:ff9b::7f00:1")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "LOCALHOST"])
def test_plain_http_is_for_loopback_where_it_is_allowed(host):
    assert PRIVATE.permits_plain_http(host)
    assert not NONE.permits_plain_http(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "8.8.8.8", "home.example", "localhost.home.example"])
def test_plain_http_is_for_nothing_else(host):
    assert not PRIVATE.permits_plain_http(host)
