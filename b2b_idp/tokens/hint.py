"""An id_token that an app sends back to us (`id_token_hint`, OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.problem import Problem
from b2b_idp.store import Reader
from b2b_idp.tokens.signing import verified


def read_hint(r: Reader, keys: KeyRing, hint: str, issuer: str, at: datetime) -> Mapping[str, Any] | None:
    """The hint's claims, expired or not, with the app's client id alone as `aud`; None when it is no id_token of ours.
    Says who it was for, proves nothing."""
    try:
        claims = verified(r, keys, hint, "JWT", issuer, at, expired_too=True)
    except Problem:
        return None
    audience = claims.get("aud")
    if isinstance(audience, list):
        audience = next((a for a in audience if a == claims.get("azp")), None)
    if not isinstance(audience, str) or not isinstance(claims.get("sub"), str):
        return None
    return claims | {"aud": audience}
