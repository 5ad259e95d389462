"""What a client signs with the keys that it registered: assertions and request objects."""

from __future__ import annotations

import json

import jwt

from b2b_idp.model.directory import App

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


def algorithms_of(app: App) -> tuple[str, ...]:
    """What this client may sign by: under FAPI 2.0 §5.4 without RS256."""
    return ALGORITHMS if app.profile is None else ALGORITHMS[1:]


def signed_payload(app: App, token: str, kid: object, alg: str) -> bytes | None:
    """The payload of a compact JWS that one of the client's registered keys verifies by `alg`; None if none does."""
    for jwk in app.jwks:
        if kid is not None and jwk.get("kid", kid) != kid:
            continue
        if jwk.get("alg", alg) != alg or jwk.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_json(json.dumps(dict(jwk)), algorithm=alg)
            payload: bytes = jwt.PyJWS().decode(token, key, algorithms=[alg])
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return payload
    return None
