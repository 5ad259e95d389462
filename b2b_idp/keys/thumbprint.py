"""A public key's own name: its JWK thumbprint (RFC 7638)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from b2b_idp.keys.compact import encoded

_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""By kind, in the order that RFC 7638 §3.2 hashes them in; OKP: RFC 8037 §2."""


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """SHA-256 of the key, base64url. Raises KeyError for a key of another kind, or without what makes it one."""
    canonical = json.dumps({name: jwk[name] for name in _MEMBERS[jwk["kty"]]}, separators=(",", ":"))
    return encoded(sha256(canonical.encode()).digest())
