"""Tokens verified as a client does it: by the keys that the provider publishes, or publishes for one application."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
from webauthn.helpers import base64url_to_bytes

Fetch = Callable[[str], dict[str, Any]]
"""Address → the JSON document that is there."""


class Verifier:
    """Keeps the keys that it has seen, and looks again for one that it has not."""

    def __init__(self, issuer: str, fetch: Fetch) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._keys: dict[str, tuple[jwt.PyJWK, str]] = {}

    def verify(self, token: str, audience: str | None, whose: Callable[[], str | None]) -> dict[str, Any]:
        """A token's claims. `whose` names the application that may have a signing key of its own; asked
        only about a key that is not known. Raises jwt.InvalidTokenError."""
        # of the header alone: PyJWT would read the whole token for it, and once more to verify
        header = json.loads(base64url_to_bytes(token.partition(".")[0]))
        if header["kid"] not in self._keys:
            self._learn(None)
        if header["kid"] not in self._keys and (app_id := whose()) is not None:
            self._learn(app_id)
        if header["kid"] not in self._keys:
            raise jwt.InvalidKeyError(f"no key {header['kid']} is published")
        key, issuer = self._keys[header["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[header["alg"]],
            audience=audience,
            issuer=issuer,
            options={"verify_aud": audience is not None},
        )
        return claims

    def _learn(self, app_id: str | None) -> None:
        query = "" if app_id is None else f"?appid={app_id}"
        document = self._fetch(f"{self._issuer}/.well-known/openid-configuration{query}")
        for key in jwt.PyJWKSet.from_dict(self._fetch(document["jwks_uri"])).keys:
            self._keys.setdefault(str(key.key_id), (key, document["issuer"]))
