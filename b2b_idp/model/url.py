"""The two readings of an address that several rooms share."""

from __future__ import annotations


def origin_of(url: str) -> str:
    """scheme://host[:port] of an absolute URL, in lower case (RFC 6454 §4, ports as written)."""
    scheme, _, rest = url.partition("://")
    authority = rest.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return f"{scheme.lower()}://{authority.lower()}"


def domain_of(address: str) -> str:
    """A mail address's domain as an A-label in lower case; empty when it has none."""
    domain = address.rpartition("@")[2].strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""
