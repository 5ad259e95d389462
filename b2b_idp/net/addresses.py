"""Which network addresses the HTTP client may connect to."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(n)
    for n in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_LOOPBACK = ipaddress.ip_address("127.0.0.1")


def carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return inner
        if any(address in n for n in _NAT64):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether this is a plain unicast address of the Internet, carrying no other."""
    if carried(address) != address or address.is_multicast or not address.is_global:
        return False
    return address.version == 4 or address in _GLOBAL_UNICAST


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses beyond the public ones that the operator lets the client reach: by range, or by host name."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, setting: bool | Sequence[str]) -> Allowed:
        """False: none. True: loopback and the private ranges, never link-local. Else hosts and CIDRs."""
        if setting is True:
            return cls(_PRIVATE)
        if setting is False:
            return cls()
        networks, hosts = [], set()
        for item in setting:
            try:
                networks.append(ipaddress.ip_network(item.strip("[]"), strict=False))
            except ValueError:
                hosts.add(_name(item))
        return cls(tuple(networks), frozenset(hosts))

    def permits(self, host: str, address: Address) -> bool:
        """Whether a connection to `address`, to which `host` resolved, may be made."""
        if is_public(address):
            return True
        inner = carried(address)
        if inner.is_link_local or inner.is_multicast or inner.is_unspecified:
            return False
        named = self._covers(address) or _name(host) in self.hosts
        # an address that carries another needs both: the way is named, and the end is one that may be reached
        return named and (inner == address or is_public(inner) or self._covers(inner))

    def permits_plain_http(self, host: str) -> bool:
        """Whether http without TLS may be tried at `host`, as far as the name tells; that it is loopback is
        checked again when it has been resolved."""
        name = _name(host)
        if name in self.hosts:
            return True
        if name == "localhost":
            return self._covers(_LOOPBACK)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback and self.permits(name, address)

    def _covers(self, address: Address) -> bool:
        return any(address in n for n in self.networks if n.version == address.version)


def _name(host: str) -> str:
    return host.lower().rstrip(".").strip("[]")
