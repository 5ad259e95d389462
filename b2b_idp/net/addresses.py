"""Which network addresses the HTTP client may connect to."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_PRIVATE = tuple(
    ipaddress.ip_network(n)
    for n in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "100.64.0.0/10",
    )
)


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if any(address in n for n in _NAT64):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


@dataclass(frozen=True, slots=True)
class Allowed:
    """Private addresses that the operator lets the client reach: by range, or by host name."""

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
                networks.append(ipaddress.ip_network(item, strict=False))
            except ValueError:
                hosts.add(item.lower().rstrip("."))
        return cls(tuple(networks), frozenset(hosts))

    def permits(self, host: str, address: Address) -> bool:
        """Whether a connection to `address`, to which `host` resolved, may be made."""
        real = inner(address)
        if real.is_global and not real.is_multicast and real == address:
            return True
        if real != address or real.is_link_local or real.is_multicast or real.is_unspecified:
            return False
        return host.lower().rstrip(".") in self.hosts or any(
            real in n for n in self.networks if n.version == real.version
        )

    def permits_plain_http(self, host: str) -> bool:
        """Whether http without TLS may be spoken to `host`: only to loopback, and only where allowed."""
        name = host.lower()
        if name == "localhost":
            return "localhost" in self.hosts or any(
                ipaddress.ip_address("127.0.0.1") in n for n in self.networks if n.version == 4
            )
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback and self.permits(name, address)
