"""The grants of the token endpoint, a file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.grants.client_credentials import for_itself
from b2b_idp.openid.grants.code import redeem_code
from b2b_idp.openid.grants.device_code import redeem_device_code
from b2b_idp.openid.grants.exchange import exchange
from b2b_idp.openid.grants.refresh import refresh
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.store import Reader

__all__ = ["foresee", "grant"]


_HANDLES = {"authorization_code": ("code", "code"), "refresh_token": ("refresh", "refresh_token")}
"""By grant type the kind of the handle that it stands on, and the parameter that carries it."""


def foresee(parts: OpenIdParts, r: Reader, form: Mapping[str, str]) -> None:
    """Has what is granted come with what the client is known by."""
    kind, name = _HANDLES.get(form.get("grant_type", ""), (None, ""))
    handle = parts.vault.read_handle(kind, form.get(name, "")) if kind else None
    if handle is not None:
        r.grants.foresee(handle.id)


def grant(parts: OpenIdParts, w: Reader, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    """The answer to a grant of an authenticated client. Raises Problem with the codes of RFC 6749 §5.2."""
    registration = client.app.registration
    if registration is not None and form.get("grant_type") not in (None, *registration.grant_types):
        raise Problem(Code.UNAUTHORIZED_CLIENT, "grant_type is not one that this app registered.")
    match form.get("grant_type"):
        case "authorization_code":
            return redeem_code(parts, w.writing(), client, form, moment)
        case "refresh_token":
            return refresh(parts, w.writing(), client, form, moment)
        case "client_credentials":
            return for_itself(parts, w, client, form, moment)
        case "urn:ietf:params:oauth:grant-type:device_code":
            return redeem_device_code(parts, w.writing(), client, form, moment)
        case "urn:ietf:params:oauth:grant-type:token-exchange":
            return exchange(parts, w.writing(), client, form, moment)
        case None:
            raise Problem(Code.INVALID_REQUEST, "grant_type is missing.")
        case _:
            raise Problem(Code.UNSUPPORTED_GRANT_TYPE, "grant_type is one of grant_types_supported.")
