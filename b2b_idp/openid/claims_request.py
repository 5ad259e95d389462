"""What an app asks about the sign-in and the guest: the `claims` parameter and `acr_values`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.decide import ACR_VALUES
from b2b_idp.policy.named_documents import CONTEXT_ID

_SCOPE_OF = dict.fromkeys(("name", "given_name", "family_name", "preferred_username", "oid"), "profile") | {
    "email": "email"
}
"""Claims that can be asked for one by one, and the scope that the guest is asked to consent to for them."""
_MOST_CONTEXTS = 20


def _bad(say: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, say)


def claims_in(text: str | None) -> Mapping[str, Any]:
    """The `claims` parameter (OpenID Connect Core §5.5)."""
    if text is None:
        return {}
    try:
        claims = json.loads(text)
        json.dumps(claims, allow_nan=False)
    except (ValueError, RecursionError):
        raise _bad("claims is not JSON.") from None
    if not isinstance(claims, dict) or not all(
        isinstance(claims.get(part, {}), dict) for part in ("id_token", "userinfo", "access_token")
    ):
        raise _bad("claims is an object with id_token and userinfo members.")
    return claims


def acr_in(given: Mapping[str, str], claims: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """acr values in order of preference, and whether one of them is essential (OpenID Connect Core §5.5.1.1)."""
    asked = (claims.get("id_token") or {}).get("acr")
    if isinstance(asked, dict) and asked.get("essential") is True:
        values = asked.get("values", [asked["value"]] if "value" in asked else [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise _bad("claims.id_token.acr.values is an array of strings.")
        if values:
            if not any(v in ACR_VALUES or CONTEXT_ID.fullmatch(v) for v in values):
                raise Problem(
                    Code.UNMET_AUTHENTICATION_REQUIREMENTS,
                    "None of the acr values that the app requires is one of acr_values_supported.",
                )
            return tuple(values), True
    return tuple(given.get("acr_values", "").split()), False


def contexts_in(acr_values: tuple[str, ...], claims: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """The authentication contexts asked for, and whether they are essential: by acr_values (RFC 9470 §4), or by `acrs`
    in the claims parameter, as Entra's clients do."""
    found = dict.fromkeys(value for value in acr_values if CONTEXT_ID.fullmatch(value))
    essential = False
    for part in ("id_token", "access_token"):
        asked = claims.get(part, {}).get("acrs")
        if not isinstance(asked, dict):
            continue
        values = asked.get("values", [asked["value"]] if "value" in asked else [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise _bad(f"claims.{part}.acrs.values is an array of strings.")
        found |= dict.fromkeys(values)
        essential = essential or (bool(values) and asked.get("essential") is True)
    if len(found) > _MOST_CONTEXTS:
        raise _bad(f"At most {_MOST_CONTEXTS} authentication contexts are asked for at once.")
    return tuple(found), essential


def scopes_for(claims: Mapping[str, Any]) -> list[str]:
    """The scopes that the single claims asked for are of: nothing is given that the guest did not consent to."""
    asked = [name for part in ("id_token", "userinfo") for name in claims.get(part, {})]
    return [_SCOPE_OF[name] for name in asked if name in _SCOPE_OF]
