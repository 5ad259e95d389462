"""Who we are to a home: a client secret, or an assertion signed by our keys, which it reads at our jwks_uri."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from b2b_idp.homes.oidc.ways import Ways
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment

ASSERTION_LIFETIME = 120
"""Seconds."""

Sign = Callable[[Mapping[str, Any], str, str], str]
"""(claims, algorithm, typ) → a compact JWS by the key of ours that signs now, its kid in the header."""


def client_authentication(home: Home, ways: Ways, sign: Sign, moment: Moment) -> tuple[dict[str, str], dict[str, str]]:
    """Form fields and headers of one request; an assertion is good for one."""
    if ways.assertion_alg is not None:
        return _assertion(home, ways.assertion_alg, sign, moment), {}
    secret = home.client_secret or ""
    if ways.authentication == "client_secret_post":
        return {"client_id": home.client_id, "client_secret": secret}, {}
    # RFC 6749 §2.3.1: both are form-urlencoded first
    pair = f"{quote_plus(home.client_id)}:{quote_plus(secret)}"
    return {}, {"Authorization": "Basic " + b64encode(pair.encode()).decode()}


def _assertion(home: Home, alg: str, sign: Sign, moment: Moment) -> dict[str, str]:
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
        "client_assertion": sign(claims, alg, "JWT"),
    }
