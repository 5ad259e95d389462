"""Our requests to a home: who we are, and how MFA is asked for."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.strict import misconfigured
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment

REFEDS_MFA = "https://refeds.org/profile/mfa"
ASSERTION_LIFETIME = 120
"""Seconds."""

SignAssertion = Callable[[Mapping[str, Any], str], str]
"""(claims, algorithm) → our client assertion (RFC 7523)."""


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


def client_authentication(
    home: Home, metadata: Metadata, sign: SignAssertion | None, moment: Moment
) -> tuple[dict[str, str], dict[str, str]]:
    """Form fields and headers that say who we are. Raises Problem(HOME_MISCONFIGURED) where no way is
    left."""
    if home.client_auth == "private_key_jwt":
        return _assertion(home, metadata, sign, moment), {}
    secret = home.client_secret
    if secret is None:
        raise misconfigured("no client secret is kept for this home")
    if "client_secret_basic" in metadata.auth_methods:
        # RFC 6749 §2.3.1: both are form-urlencoded first
        pair = f"{quote_plus(home.client_id)}:{quote_plus(secret)}"
        return {}, {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
    if "client_secret_post" in metadata.auth_methods:
        return {"client_id": home.client_id, "client_secret": secret}, {}
    raise misconfigured("its token endpoint takes no client secret; register private_key_jwt")


def _assertion(home: Home, metadata: Metadata, sign: SignAssertion | None, moment: Moment) -> dict[str, str]:
    if sign is None:
        raise misconfigured("private_key_jwt needs our signing keys")
    taken = metadata.auth_algorithms or ("RS256",)
    alg = next((a for a in ("RS256", "ES256") if a in taken), None)
    if alg is None:
        raise misconfigured("its token endpoint takes neither RS256 nor ES256 client assertions")
    claims = {
        "iss": home.client_id,
        "sub": home.client_id,
        # the issuer alone: an endpoint's address comes from metadata, which another home may copy
        "aud": home.issuer,
        "jti": moment.new_id(),
        "iat": moment.epoch,
        "exp": moment.epoch + ASSERTION_LIFETIME,
    }
    return {
        "client_id": home.client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign(claims, alg),
    }
