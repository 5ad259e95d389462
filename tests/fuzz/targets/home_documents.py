"""A home's metadata and key set, as bytes that it answers with."""

from __future__ import annotations

from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from b2b_idp.homes.oidc.keys import parse_jwks
from b2b_idp.homes.oidc.metadata import parse_metadata
from b2b_idp.model.problem import Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http, Limits
from tests.fuzz.mutation import Mutator

ISSUER = "https://login.fabrikam.example"
METADATA = {
    "issuer": ISSUER,
    **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")},
    "pushed_authorization_request_endpoint": f"{ISSUER}/par",
    "jwks_uri": f"{ISSUER}/keys",
    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
    "acr_values_supported": ["1", "2"],
    "claims_parameter_supported": True,
    "authorization_response_iss_parameter_supported": True,
}
NUMBERS = ("AQAB", "AQ", "AA", "Aw", "_" * 340, "A" * 342, "_" * 16000, "AQ" * 700, "")
WORDS = (
    *METADATA,
    *(
        "kty",
        "RSA",
        "EC",
        "OKP",
        "oct",
        "crv",
        "P-256",
        "P-384",
        "P-521",
        "Ed25519",
        "Ed448",
        "X25519",
        "secp256k1",
        "use",
    ),
    *(
        "sig",
        "enc",
        "alg",
        "RS256",
        "PS256",
        "none",
        "key_ops",
        "verify",
        "n",
        "e",
        "x",
        "y",
        "d",
        "k",
        "x5c",
        "kid",
        "keys",
    ),
    *("https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "http://localhost/", "https://0x7f000001/", "https://a:b@c/"),
)


class HomeDocuments:
    def __init__(self) -> None:
        self._check = Http(Allowed.parse(False)).check_url
        made = (
            RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True),
            ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True),
            ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP521R1()).public_key(), as_dict=True),
            OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True),
        )
        self._keys = [jwk | {"kid": str(n), "use": "sig"} for n, jwk in enumerate(made)]

    def make(self, random: Random) -> tuple[str, bytes]:
        """`metadata` or `keys`, and the bytes."""
        edit = Mutator(random, WORDS)
        if edit.often(0.4):
            kind, document = "metadata", edit.document(METADATA)
        else:
            kind, document = "keys", {"keys": random.sample(self._keys, random.choice((1, 1, 2)))}
            if edit.often(0.3):
                jwk: dict[str, Any] = dict(random.choice(document["keys"]))
                jwk[random.choice("nexyd")] = random.choice(NUMBERS)
                document = {"keys": [jwk]}
            document = edit.document(document) if edit.often(0.8) else document
        raw = edit.written(document).encode("utf-8", "surrogatepass")
        return kind, (edit.raw(raw) if edit.often(0.1) else raw)[: Limits().body]

    def give(self, made: tuple[str, bytes]) -> bool:
        kind, raw = made
        try:
            if kind == "keys":
                parse_jwks(raw)
            else:
                parse_metadata(raw, ISSUER, self._check)
        except Problem:
            return False
        return True

    def close(self) -> None: ...
