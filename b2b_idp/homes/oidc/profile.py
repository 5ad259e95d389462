"""Who the home says the guest is: its claims under our names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.homes.oidc.values import Profile
from b2b_idp.model.home import Home

LONGEST_TEXT = 256
MOST_CLAIMS = 200


def profile_of(home: Home, claims: Mapping[str, Any]) -> Profile:
    """Claims by the home's inboundClaimMapping; a name that it leaves out is the home's own word for it.

    A text that is empty, too long or holds control characters is as if absent: cut, an address
    would be another.
    """

    def claim(name: str) -> Any:
        return claims.get(home.claim_mapping.get(name, name))

    verified = {"true": True, "false": False}.get(v, v) if isinstance(v := claim("email_verified"), str) else v
    raw = {name: text for name in list(claims)[:MOST_CLAIMS] if (text := _text(claims[name])) is not None}
    raw |= {name: text for name in home.claim_mapping if (text := _text(claim(name))) is not None}
    return Profile(
        email=_text(claim("email")),
        email_verified=verified if isinstance(verified, bool) else None,
        name=_text(claim("name")),
        given_name=_text(claim("given_name")),
        family_name=_text(claim("family_name")),
        locale=_text(claim("locale")),
        preferred_username=_text(claim("preferred_username")),
        raw=raw,
    )


def with_userinfo(home: Home, claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """The id_token's claims, completed. What userinfo says of an address, it says of its own address only."""
    verified = home.claim_mapping.get("email_verified", "email_verified")
    return {**userinfo, **{k: v for k, v in claims.items() if k != verified}}


def _text(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.strip():
        return None
    return None if any(c < " " or "\x7f" <= c <= "\x9f" for c in value) else value
