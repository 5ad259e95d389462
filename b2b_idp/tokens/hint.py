"""An id_token that an app sends back to us (`id_token_hint`, OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.problem import Problem


def read_hint(keys: KeyRing, hint: str, issuer: str, at: datetime) -> Mapping[str, Any] | None:
    """The hint's claims, expired or not; None when it is no id_token of ours. Says who it was for, proves nothing."""
    try:
        claims = keys.verify(hint, "JWT", at, expired_too=True)
    except Problem:
        return None
    ours = claims.get("iss") == issuer and isinstance(claims.get("aud"), str) and isinstance(claims.get("sub"), str)
    return claims if ours else None
