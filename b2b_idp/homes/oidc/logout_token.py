"""A home's logout token, validated wholly (OpenID Connect Back-Channel Logout 1.0 §2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.signed import (
    LONGEST_AGE,
    MAX_VALUE,
    SKEW,
    Keys,
    check_audience,
    check_times,
    is_subject,
    read_signed,
)
from b2b_idp.homes.oidc.strict import refused
from b2b_idp.model.events import LOGOUT
from b2b_idp.model.home import Home

REMEMBERED = timedelta(seconds=LONGEST_AGE + 2 * SKEW)
"""How long a `jti` is of use to somebody who kept the token."""


@dataclass(frozen=True, slots=True)
class HomeLogout:
    """What a home says is over: a session there (`sid`), or without one every session of its `subject`."""

    issuer: str
    subject: str | None
    sid: str | None
    jti: str


def read_logout_token(token: object, *, home: Home, metadata: Metadata, keys: Keys, at: datetime) -> HomeLogout:
    """Raises Problem(HOME_ANSWER_REFUSED) with the precise reason for the administrator, and what fetching the keys may
    raise. Whether its `jti` was seen before is not asked here."""
    read = read_signed(token, "logout token", types=("JWT", "LOGOUT+JWT"), metadata=metadata, keys=keys, at=at)
    claims = read.claims
    if claims.get("iss") != home.issuer:
        raise refused("iss is not the home's issuer")
    check_audience(claims.get("aud"), claims.get("azp"), home.client_id)
    check_times(claims, "logout token", at.timestamp())
    if "nonce" in claims:
        raise refused("a token with a nonce is an id_token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT), dict):
        raise refused("events does not tell of a logout")
    subject, sid = claims.get("sub"), _text(claims, "sid")
    if subject is not None and not is_subject(subject):
        raise refused("sub is not 1 to 255 printable ASCII characters")
    if subject is None and sid is None:
        raise refused("neither sub nor sid says what is over")
    jti = _text(claims, "jti")
    if jti is None:
        raise refused("jti is missing")
    return HomeLogout(home.issuer, subject, sid, jti)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE:
        raise refused(f"{name} is not 1 to {MAX_VALUE} characters of text")
    return value
