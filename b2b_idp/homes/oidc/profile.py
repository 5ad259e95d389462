"""Who the home says the guest is: its claims under our names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from b2b_idp.homes.oidc.values import Profile
from b2b_idp.model.home import Home
from b2b_idp.model.provenance import FOLLOWING, FREE

LONGEST_TEXT = 256

OIDC_NAMES: Mapping[str, str] = {
    "displayName": "name",
    "givenName": "given_name",
    "surname": "family_name",
    "mobilePhone": "phone_number",
    "streetAddress": "address.street_address",
    "city": "address.locality",
    "state": "address.region",
    "postalCode": "address.postal_code",
    "country": "address.country",
}
"""Directory property → OpenID Connect's name for it (Core §5.1), where inboundClaimMapping goes by that."""

_SHAPES: Mapping[str, re.Pattern[str]] = {
    "preferredLanguage": re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"),
    "usageLocation": re.compile(r"[A-Z]{2}"),
}


def profile_of(home: Home, claims: Mapping[str, Any]) -> Profile:
    """Claims by the home's inboundClaimMapping; a name that it leaves out is the home's own word for it.

    A text that is too long or holds control characters is as if absent: cut, an address would be another.
    """
    verified = _boolean(_claim(home, claims, "email_verified"))
    email = _text(_claim(home, claims, "email"))
    return Profile(email, verified, _attributes(home, claims))


def _attributes(home: Home, claims: Mapping[str, Any]) -> dict[str, str | None]:
    """What is said of each directory property; null and empty say that there is none."""
    said: dict[str, str | None] = {}
    for name in FOLLOWING:
        value = _value(home, claims, name)
        if value is None or (isinstance(value, str) and not value.strip()):
            said[name] = None
        elif (text := _shaped(name, _text(value))) is not None:
            said[name] = text
    if "mobilePhone" in said and _boolean(_claim(home, claims, "phone_number_verified")) is False:
        del said["mobilePhone"]
    return said


_ABSENT = object()


def _value(home: Home, claims: Mapping[str, Any], name: str) -> Any:
    """The claim for a property: the mapped one; without a mapping OpenID Connect's, else one of the property's name."""
    oidc = OIDC_NAMES.get(name, name)
    if oidc in home.claim_mapping:
        claim = home.claim_mapping[oidc]
        inside = oidc.startswith("address.") and claim not in claims
        return _in_address(claims, claim) if inside else claims.get(claim, _ABSENT)
    if name == "preferredLanguage":
        return claims.get("locale", _ABSENT)
    found = _in_address(claims, oidc) if oidc.startswith("address.") else claims.get(oidc, _ABSENT)
    return claims.get(name, _ABSENT) if found is _ABSENT and name not in FREE else found


def _in_address(claims: Mapping[str, Any], name: str) -> Any:
    """A member of the `address` claim (Core §5.1.1)."""
    address = claims.get("address")
    return address.get(name.removeprefix("address."), _ABSENT) if isinstance(address, dict) else _ABSENT


def _shaped(name: str, text: str | None) -> str | None:
    if text is None or name not in _SHAPES:
        return text
    # OpenID Connect lets `locale` be written en_US
    text = text.upper() if name == "usageLocation" else text.replace("_", "-")
    return text if _SHAPES[name].fullmatch(text) else None


def lacks(home: Home, claims: Mapping[str, Any]) -> bool:
    """Whether userinfo is to be asked too: the id_token has no address, or not every attribute that is mapped."""
    mapped = [n for n in FOLLOWING if OIDC_NAMES.get(n, n) in home.claim_mapping]
    email = home.claim_mapping.get("email", "email")
    return email not in claims or any(_value(home, claims, n) is _ABSENT for n in mapped)


def with_userinfo(home: Home, claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """The id_token's claims, completed. Whichever of the two has the mail address says whether it is verified."""
    email = home.claim_mapping.get("email", "email")
    verified = home.claim_mapping.get("email_verified", "email_verified")
    if email in claims:
        userinfo = {k: v for k, v in userinfo.items() if k != verified}
    else:
        claims = {k: v for k, v in claims.items() if k != verified}
    return {**userinfo, **claims}


def _claim(home: Home, claims: Mapping[str, Any], name: str) -> Any:
    return claims.get(home.claim_mapping.get(name, name))


def _boolean(value: object) -> bool | None:
    """True, false, or their names as text, as some homes write them."""
    said = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    return said if isinstance(said, bool) else None


def _text(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.strip():
        return None
    return None if any(c < " " or "\x7f" <= c <= "\x9f" for c in value) else value
