"""Our authorization request to a home: its parameters, how MFA is asked for, and the request object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from b2b_idp.homes.oidc.authentication import Sign
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment

REFEDS_MFA = "https://refeds.org/profile/mfa"
OBJECT_LIFETIME = 300
"""Seconds; the browser brings it to the home at once."""


def step_up_parameters(home: Home, metadata: Metadata) -> dict[str, str]:
    """The parameters that ask this home for MFA, as its entry says; empty when there is no word to ask by.

    `acr_values` are voluntary. In a claims request a value that is a class of the home's goes into `acr`,
    and is essential only if the home lists it: one that it cannot reach may end on its own error page or
    loop.
    """
    ask = home.vocabulary.step_up
    if ask.how == "acr_values":
        values = ask.values or _known_classes(home, metadata)
        return {"acr_values": " ".join(values)} if values else {}
    if ask.how == "claims":
        values = ask.values or ("mfa",)
        classes = [v for v in values if v in metadata.acr_values or v in home.vocabulary.acr]
        methods = [v for v in values if v not in classes]
        wanted: dict[str, Any] = {}
        if methods:
            wanted["amr"] = {"essential": True, "values": methods}
        if classes:
            essential = all(v in metadata.acr_values for v in classes)
            wanted["acr"] = {"essential": essential, "values": classes}
        return {"claims": json.dumps({"id_token": wanted}, separators=(",", ":"))}
    return {}


def _known_classes(home: Home, metadata: Metadata) -> tuple[str, ...]:
    """Those of the home's classes that mean more than one unexplained factor to us, else REFEDS' if it has
    it."""
    meant = tuple(
        v for v in metadata.acr_values if set(home.vocabulary.acr.get(v, ())) - {"federatedSingleFactor", "password"}
    )
    return meant or ((REFEDS_MFA,) if REFEDS_MFA in metadata.acr_values else ())


def request_object(home: Home, alg: str, query: Mapping[str, str], sign: Sign, moment: Moment) -> dict[str, str]:
    """The request's parameters signed by us (RFC 9101 §4), with what OpenID Connect Core §6.1 wants beside them."""
    about = {
        "iss": home.client_id,
        # the issuer alone, as in client assertions
        "aud": home.issuer,
        "jti": moment.new_id(),
        "iat": moment.epoch,
        "nbf": moment.epoch,
        "exp": moment.epoch + OBJECT_LIFETIME,
    }
    beside = {name: query[name] for name in ("client_id", "response_type", "scope")}
    return beside | {"request": sign(_typed(query) | about, alg, "oauth-authz-req+jwt")}


def _typed(query: Mapping[str, str]) -> dict[str, Any]:
    """JSON's own types where a member of an object is no text (OpenID Connect Core §6.1)."""
    typed: dict[str, Any] = dict(query)
    if "max_age" in query:
        typed["max_age"] = int(query["max_age"])
    if "claims" in query:
        typed["claims"] = json.loads(query["claims"])
    return typed
