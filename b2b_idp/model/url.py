"""The readings of an address that several rooms share."""

from __future__ import annotations


def origin_of(url: str) -> str:
    """scheme://host[:port] of an absolute URL, in lower case (RFC 6454 §4, ports as written)."""
    scheme, _, rest = url.partition("://")
    authority = rest.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return f"{scheme.lower()}://{authority.lower()}"


def host_of(url: str) -> str:
    """The host of an absolute URL, in lower case and without its port."""
    host = origin_of(url).partition("://")[2].rpartition("@")[2]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def domain_of(address: str) -> str:
    """A mail address's domain as an A-label in lower case; empty when it has none."""
    domain = address.rpartition("@")[2].strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""
