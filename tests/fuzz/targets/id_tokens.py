"""A home's id_token: its claims and header edited and then signed, or its text edited; and whom it then describes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from b2b_idp.homes.oidc.id_token import verify
from b2b_idp.homes.oidc.keys import HomeKey, parse_jwks
from b2b_idp.homes.oidc.metadata import parse_metadata
from b2b_idp.homes.oidc.profile import profile_of
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Problem
from tests.fuzz.mutation import Mutator

ISSUER = "https://login.fabrikam.example"
AT = datetime(2026, 6, 1, tzinfo=UTC)
NOW = int(AT.timestamp())
HOME = Home(
    tenant_id="6b2f0c1e-0000-4000-8000-000000000001",
    issuer=ISSUER,
    display_name="Fabrikam",
    client_id="b2b-idp",
    well_known=f"{ISSUER}/.well-known/openid-configuration",
    claim_mapping={"email": "upn", "jobTitle": "title"},
)
METADATA = parse_metadata(
    json.dumps(
        {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/a",
            "token_endpoint": f"{ISSUER}/t",
            "jwks_uri": f"{ISSUER}/k",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        }
    ).encode(),
    ISSUER,
    lambda url: None,
)
HEADER = {"alg": "EdDSA", "kid": "k", "typ": "JWT"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "b2b-idp",
    "sub": "ada-1",
    "nonce": "a nonce",
    "iat": NOW,
    "exp": NOW + 300,
    "nbf": NOW,
    "auth_time": NOW,
    "amr": ["pwd", "mfa"],
    "acr": "1",
    "at_hash": "b8PRF0Yfv-FIYw59IlDVw2ckhpm12MqDmGPJwxq6lNA",
    "email": "ada@fabrikam.example",
    "email_verified": True,
    "upn": "ada@fabrikam.example",
    "name": "Ada Alder",
    "title": "SDE",
    "phone_number": "+41 1",
    "phone_number_verified": True,
    "address": {"country": "CH", "locality": "Bern"},
    "locale": "de-CH",
}
WORDS = (*CLAIMS, "azp", "events", "crit", "jwk", "jku", "x5c", "b64", "none", "HS256", "ES256", "RS256", "k", "EdDSA")


class _Keys:
    """A home's keys, which do not change."""

    def __init__(self, keys: Sequence[HomeKey]) -> None:
        self._keys = keys

    def get(self, at: datetime) -> Sequence[HomeKey]:
        return self._keys

    def renewed(self, looked_at: Sequence[HomeKey], at: datetime) -> Sequence[HomeKey] | None:
        return None


class IdTokens:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        jwk = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True) | {"kid": "k", "use": "sig"}
        self._keys = _Keys(parse_jwks(json.dumps({"keys": [jwk]}).encode()))

    def make(self, random: Random) -> object:
        edit = Mutator(random, WORDS)
        header = edit.document(HEADER) if edit.often(0.15) else HEADER
        claims = edit.document(CLAIMS) if edit.often(0.85) else CLAIMS
        signed = ".".join(map(_text, (edit.written(header).encode("utf-8", "surrogatepass"), _body(edit, claims))))
        token = f"{signed}.{_text(self._key.sign(signed.encode()))}"
        return edit.text(token) if edit.often(0.15) else token

    def give(self, made: object) -> bool:
        try:
            found = verify(
                made, home=HOME, metadata=METADATA, keys=self._keys, nonce="a nonce", access_token="x" * 20, at=AT
            )
        except Problem:
            return False
        profile_of(HOME, found.claims)
        return True

    def close(self) -> None: ...


def _body(edit: Mutator, claims: Any) -> bytes:
    text = edit.written(claims).encode("utf-8", "surrogatepass")
    return edit.raw(text) if edit.often(0.05) else text


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
